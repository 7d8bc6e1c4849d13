#!/usr/bin/env bash
# down.sh [OPTION…]: stops this folder's stack and no other. With options of `docker compose down` such as --volumes it
# removes what they say, and asks before, where there is somebody to ask.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/make/docker.sh
. scripts/make/docker.sh

need_stack_tools
[ -f .env ] || [ -n "${BACKUP_ENV_FILE:-}" ] || export BACKUP_ENV_FILE=/dev/null
# shellcheck disable=SC2119 # what it takes is not what this script takes
config=$(compose_config)
need_own_stack "$(sed -n 's/^name: //p' <<<"$config" | head -n 1)"
if (($#)) && [ -t 0 ]; then
  read -r -p 'This deletes the databases and the local backups of this stack. Type yes: ' answer
  [ "$answer" = yes ] || exit 1
fi
if (($#)); then set -- "$@" --remove-orphans; fi
docker compose --profile '*' down "$@"
