#!/bin/sh
# After a failed `docker compose up`: what the containers that are not well have said.
set -eu
cd "$(dirname "$0")/../.."
for id in $(docker compose ps --all --quiet); do
  state=$(docker inspect --format '{{.State.Status}}{{with .State.Health}} {{.Status}}{{end}}' "$id")
  case $state in running | 'running healthy' | created) continue ;; esac
  printf '\n%s: %s. The last that it said:\n' "$(docker inspect --format '{{slice .Name 1}}' "$id")" "$state"
  docker logs --tail 20 "$id" 2>&1 | sed 's/^/  /'
  # the last of the answers that Docker keeps
  docker inspect --format '{{with .State.Health}}{{range .Log}}{{println .Output}}{{end}}{{end}}' "$id" |
    grep . | tail -n 1 | sed 's/^/  health check: /'
done >&2
case $(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) in
  ssh://* | tcp://*)
    printf '\nThe engine is on another machine, which has none of the files of this folder that the containers mount. Clone it there, and run make up there.\n' >&2
    ;;
esac
