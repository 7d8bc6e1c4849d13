#!/usr/bin/env bash
# After a status that is not well: what the host can see of Ofelia, which the backup container cannot.
set -eu
cd "$(dirname "$0")/../.."
command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1 || exit 0
ofelia=$(docker compose ps --all --quiet ofelia 2>/dev/null | head -n 1) || exit 0
[ -n "$ofelia" ] || exit 0
state=$(docker inspect --format '{{.State.Status}}' "$ofelia")
words=$(docker logs --tail 200 "$ofelia" 2>&1 | grep -v ' DEBUG ' || true)
refused=$(grep -E 'Failed to register|error creating exec|error starting exec|No such container|cannot connect|no containers matching' <<<"$words" | tail -n 1 || true)
[ "$state" = running ] && [ -z "$refused" ] && exit 0
printf '\nOfelia, which starts the jobs, is %s. The last that it said of it:\n  %s\n' "$state" "${refused:-$(tail -n 1 <<<"$words")}" >&2
