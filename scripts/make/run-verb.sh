#!/usr/bin/env bash
# run-verb.sh VERB [ARGUMENT…]: runs a verb where it belongs. With a Docker engine that is the backup container of the
# running stack, without Docker this machine.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh
# shellcheck source=scripts/make/settings.sh
. scripts/make/settings.sh
verb=$1

if ! engine_answers; then
  shift
  "${MAKE:-make}" --no-print-directory --silent node_modules/.package-lock.json >&2
  # not the command tsx: it ends what it started within 60 ms of a Ctrl-C
  exec node --import tsx "scripts/$verb.ts" "$@"
fi

# the backup container, if it runs
find_container() {
  local said
  if ! said=$(docker compose ps --quiet --status running backup 2>&1); then
    need_compose
    stop_with "$said" "Compose cannot tell whether the backup container runs; its words are above." "$(way_out_of "$said")"
  fi
  container=$(printf '%s\n' "$said" | grep -E '^[0-9a-f]{12,}$' | head -n 1 || true)
  [ -n "$container" ] || ! docker compose ps --quiet --status paused backup 2>/dev/null | grep -q . ||
    stop_with 'The backup container is paused. Let it go on: docker compose unpause backup'
  [ -n "$container" ] || stop_with 'The backup container is not running. Start the stack: make up' \
    "What became of it: $(docker compose ps --all --format '{{.Name}}: {{.Status}}' backup 2>/dev/null | grep . || echo 'there is none')"
}

# whose stack it is, and which user the container runs as
know_container() {
  local folder
  IFS='|' read -r user folder < <(docker inspect --format \
    '{{.Config.User}}|{{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$container" 2>/dev/null || echo '|') || true
  if [ -n "$folder" ] && [ "$(cd "$folder" 2>/dev/null && pwd -P)" != "$(pwd -P)" ] && [ "${MOVED:-}" != yes ]; then
    stop_with "The backup container that runs is of the stack in $folder, and not of this folder." \
      'Both have one project name; give this one its own in .env (COMPOSE_PROJECT_NAME), then make up. Nothing was done.'
  fi
}

# Ends the verb in the container, by a name that only it has in its environment, and waits until it has ended: a command
# of exec outlives its client.
# shellcheck disable=SC2120 # a trap passes what it takes
end_inside() {
  # shellcheck disable=SC2016 # for the shell in the container
  docker compose exec --no-TTY ${as[@]+"${as[@]}"} backup sh -c '
    runs() { for p in /proc/[0-9]*; do tr "\0" "\n" <$p/environ 2>/dev/null | grep -qx "VERB_RUN=$1" && echo "${p#/proc/}"; done; }
    pids=$(runs "$1"); [ -n "$pids" ] || exit 0
    kill -s TERM $pids 2>/dev/null
    [ -z "$2" ] || exit 0
    n=0; while [ $n -lt 900 ] && [ -n "$(runs "$1")" ]; do sleep 0.2; n=$((n + 1)); done' sh "$VERB_RUN" "${1:-}" </dev/null >/dev/null 2>&1 || true
}

find_container
know_container
hand_over_settings
as=()
# root in this container has none of root's powers, and a throwaway server will not be started by it
case $verb:$user in drill:root | drill:root:* | drill:0 | drill:0:* | look:root | look:root:* | look:0 | look:0:*) as=(--user postgres) ;; esac
VERB_RUN=$$-$RANDOM$RANDOM
export VERB_RUN
options+=(--env VERB_RUN ${as[@]+"${as[@]}"})

code=0
if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then
  # with a terminal of its own the verb hears Ctrl-C; a terminal that is closed it does not
  trap end_inside HUP TERM
  docker compose exec "${options[@]}" backup "$@" || code=$?
else
  # without one nothing may mix its two outputs. Its input is ours to hold open: where this script and all else is
  # killed, it ends, and the verb by it.
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mkfifo "$folder/input"
  exec 3<>"$folder/input"
  # in a process group of its own the client stays, and passes on what the verb says while it ends
  set -m
  VERB_ENDS_WITH_INPUT=true docker compose exec --no-TTY --env VERB_ENDS_WITH_INPUT "${options[@]}" backup "$@" \
    <"$folder/input" 3>&- &
  client=$!
  set +m
  trap 'end_inside once' INT TERM HUP
  while kill -0 "$client" 2>/dev/null; do
    wait "$client" && code=0 || code=$?
  done
fi
trap '' INT TERM HUP
# a client that was ended, or could write no more, leaves the verb behind
# shellcheck disable=SC2119
[ "$code" = 0 ] || end_inside
exit "$code"
