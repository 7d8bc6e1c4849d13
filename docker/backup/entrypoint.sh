#!/bin/bash
# Keeps the container up for Ofelia and for `docker compose exec`; with arguments, runs those instead.
set -u
if (($#)); then exec "$@"; fi

say() { printf '%sZ %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S)" "$*" >&2; }

# What runs when the container is told to stop may end its upload and its children first.
stop() {
  trap '' TERM INT
  # outside a PID namespace of our own, -1 would be everybody
  if [[ $$ == 1 || $PPID == 1 ]]; then
    kill -TERM -1 2>/dev/null
    for _ in {1..250}; do
      verbs_run || break
      sleep 0.1
    done
  fi
  exit 0
}

# Does anything run beside PID 1, this script, and the shells of people who look around?
verbs_run() {
  local folder name state
  for folder in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$folder/comm" || continue
    case ${folder#/proc/}:$name in 1:* | "$$":* | *:sh | *:bash | *:sleep) continue ;; esac
    state=$(sed -n 's/^State:\t\(.\).*/\1/p' "$folder/status" 2>/dev/null)
    [[ $state == '' || $state == Z ]] || return 0
  done
  return 1
}

# A foreground child would keep bash from its traps until it ends.
attended() {
  "$@" &
  wait $!
}

trap stop TERM INT

# from now on jobs are waited for, also while the configuration is checked: see scripts/lib/machine/job-notes.ts. What an
# earlier start has left says nothing of this one.
rm -rf /tmp/jobs /tmp/configuration-is-valid
mkdir -m 777 /tmp/jobs && touch /tmp/jobs/since

if attended node /app/dist/check-config.mjs --await-jobs; then
  # a stack that was down for days comes up first; whether its backups are recent is asked in five minutes
  echo 0 >/tmp/health
  touch /tmp/configuration-is-valid
fi

# docker run --env-file leaves quotes around a value
case $(tr -d "'\"" <<<"${BACKUP_ON_START:-}") in
  [Tt][Rr][Uu][Ee] | [Yy][Ee][Ss] | [Oo][Nn] | 1)
    attended backup || say "the backup at the start failed (exit code $?); the schedule goes on"
    ;;
esac

attended sleep infinity
