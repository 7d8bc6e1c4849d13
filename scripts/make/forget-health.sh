#!/usr/bin/env bash
# Before a `docker compose up` that waits for healthy containers: of a backup container that is unhealthy because its backups are
# not recent, that is forgotten for five minutes, as when it starts. What is done about it must not fail because of it.
set -eu
cd "$(dirname "$0")/../.."
id=$(docker compose ps --quiet --status running backup 2>/dev/null | head -n 1) || exit 0
[ -n "$id" ] || exit 0
health() { docker inspect --format '{{with .State.Health}}{{.Status}}{{end}}' "$id"; }
[ "$(health)" = unhealthy ] || exit 0
# a wrong configuration is not forgotten
# shellcheck disable=SC2016 # for the shell in the container
said=$(docker exec "$id" sh -c '[ -e /tmp/configuration-is-valid ] && sed "\$d" /tmp/health && echo 0 >/tmp/health' 2>/dev/null) || exit 0
printf 'The backup container was unhealthy: %s\n' "$said" >&2
for ((second = 0; second < 30; second++)); do
  [ "$(health)" = unhealthy ] || exit 0
  sleep 1
done
