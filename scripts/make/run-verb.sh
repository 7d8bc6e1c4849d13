#!/bin/sh
# run-verb.sh VERB [ARGUMENT…]: runs a verb where it belongs. With a Docker engine that is the backup container of the
# running stack, without one this machine.
set -eu
cd "$(dirname "$0")/../.."
verb=$1

if docker info >/dev/null 2>&1; then
  if [ -z "$(docker compose ps --quiet --status running backup)" ]; then
    echo 'The backup container is not running. Start the stack: make up' >&2
    exit 1
  fi
  # the key to encrypted backups may be given to a single run; by its name, so that it stands on no command line
  pass=''
  if [ -n "${BACKUP_AGE_IDENTITY_FILE:-}" ]; then
    BACKUP_AGE_IDENTITY=$(cat "$BACKUP_AGE_IDENTITY_FILE")
    export BACKUP_AGE_IDENTITY
  fi
  [ -z "${BACKUP_AGE_IDENTITY:-}" ] || pass='--env BACKUP_AGE_IDENTITY'
  # with a terminal of its own the verb hears Ctrl-C; without one nothing may mix its two outputs or read our input
  # shellcheck disable=SC2086 # two words, or none
  if [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; then exec docker compose exec $pass backup "$@"; fi
  # shellcheck disable=SC2086
  exec docker compose exec --no-TTY $pass backup "$@" </dev/null
fi

shift
"${MAKE:-make}" --no-print-directory --silent node_modules/.package-lock.json >&2
# not the command tsx: it ends what it started within 60 ms of a Ctrl-C
exec node --import tsx "scripts/$verb.ts" "$@"
