#!/usr/bin/env bash
# upgrade-check.sh VERSION [OPTION…]: rehearses an upgrade in an image of the newer PostgreSQL, beside the stack that goes on. Without
# Docker, with what is installed on this machine.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh
# shellcheck source=scripts/make/settings.sh
. scripts/make/settings.sh

if ! engine_answers; then exec scripts/make/run-verb.sh upgrade-check "$@"; fi

need_stack_tools
[ -f .env ] || [ -n "${BACKUP_ENV_FILE:-}" ] || stop_with 'There is no .env yet: put yours here, or cp .env.example .env and write your store into it.'
# the image of the newer version: of MariaDB there is one server in each, and the stack's own will do
case $TO in *[!0-9]* | '') ;; *) export UPGRADE_VERSION=$TO ;; esac
# shellcheck disable=SC2119 # what it takes is not what this script takes
config=$(compose_config)
need_own_stack "$(sed -n 's/^name: //p' <<<"$config" | head -n 1)"
options=()
hand_over_settings
terminal=()
[ -t 0 ] && [ -t 1 ] && [ -t 2 ] || terminal=(--no-TTY)
docker compose build --quiet upgrade-check
exec docker compose run --rm --no-deps ${terminal[@]+"${terminal[@]}"} ${options[@]+"${options[@]}"} upgrade-check upgrade-check "$@"
