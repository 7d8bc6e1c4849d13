#!/usr/bin/env bash
# serve.sh FOLDER SERVER…: runs a server under its guard. When it has ended, its status is written to FOLDER/ended, and
# once FOLDER/again is there it is run again: a recovery that has found no target goes on without one.
folder=$1
shift
server=
trap '[ -z "$server" ] || kill -INT "$server" 2>/dev/null; over=1' TERM
while [ -z "$over" ]; do
  "$@" </dev/null &
  server=$!
  wait "$server"
  status=$?
  # a signal of ours ends the wait, and not yet the server
  while kill -0 "$server" 2>/dev/null; do
    sleep 0.05
  done
  server=
  echo "$status" >"$folder/ended"
  while [ -z "$over" ] && [ ! -e "$folder/again" ]; do sleep 0.05; done
  rm -f "$folder/again" "$folder/ended"
done
