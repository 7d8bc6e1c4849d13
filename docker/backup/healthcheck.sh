#!/bin/sh
# Healthy is a container whose configuration is valid and whose backups are recent. The first the entrypoint checked
# once; the second is asked every five minutes, and remembered in between, so that this may run every few seconds.
[ -e /tmp/configuration-is-valid ] || {
  echo 'the configuration is wrong: docker compose logs backup says what'
  exit 1
}
answer=/tmp/health
if [ -z "$(find "$answer" -mmin -5 2>/dev/null)" ]; then
  status --health >"$answer.new" 2>&1
  echo "$?" >>"$answer.new"
  mv "$answer.new" "$answer"
fi
code=$(tail -n 1 "$answer")
sed '$d' "$answer"
[ "$code" = 0 ]
