#!/usr/bin/env bash
# restore-server.sh [OPTION…]: restores a whole server into the volume of the stack's database, which has to be stopped. Without
# Docker, into a folder of this machine (--into).
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh
# shellcheck source=scripts/make/settings.sh
. scripts/make/settings.sh

if ! engine_answers; then exec scripts/make/run-verb.sh restore-server "$@"; fi

need_stack_tools
[ -f .env ] || [ -n "${BACKUP_ENV_FILE:-}" ] || stop_with 'There is no .env yet: put yours here, or cp .env.example .env and write your store into it.'
# shellcheck disable=SC2119 # what it takes is not what this script takes
config=$(compose_config)
need_own_stack "$(sed -n 's/^name: //p' <<<"$config" | head -n 1)"
running=$(docker compose --profile '*' ps --services --status running 2>/dev/null | grep -xE 'postgres|receiver' | tr '\n' ' ' || true)
[ -z "$running" ] ||
  stop_with "Still running: $running" "Nothing may write to the data that are replaced: docker compose stop $running" 'Nothing was done.'
options=()
hand_over_settings
terminal=()
[ -t 0 ] && [ -t 1 ] && [ -t 2 ] || terminal=(--no-TTY)
docker compose build --quiet restore-server
exec docker compose run --rm ${terminal[@]+"${terminal[@]}"} ${options[@]+"${options[@]}"} restore-server restore-server "$@"
