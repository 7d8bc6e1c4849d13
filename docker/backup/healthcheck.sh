#!/bin/sh
# Healthy is a container whose configuration is valid and whose backups are recent. The first the entrypoint checked
# once; the second is asked every five minutes, and remembered in between, so that this may run every few seconds.
[ -e /tmp/configuration-is-valid ] || {
  echo 'the configuration is wrong: docker compose logs backup says what'
  exit 1
}
answer=/tmp/health
if [ -z "$(find "$answer" -mmin -5 2>/dev/null)" ]; then
  # a name of its own: two checks at once would write into each other's
  new=$answer.$$
  find /tmp -maxdepth 1 -name 'health.*' -mmin +10 -delete 2>/dev/null
  status --health >"$new" 2>&1
  echo "$?" >>"$new"
  mv "$new" "$answer"
fi
code=$(tail -n 1 "$answer")
sed '$d' "$answer"
[ "$code" = 0 ]
