#!/usr/bin/env bash
# setup.sh FOLDER COMMAND…: runs a command to its end, and keeps what it made. When the process that holds the other end
# of the input goes first, the command and its folder go too.
set -m
folder=$1
shift
exec 3<&0
"$@" </dev/null &
setup=$!
{
  cat <&3 >/dev/null
  # nobody asks it any more, and it would end this when the command has ended
  kill -KILL $$
  kill -KILL -- "-$setup"
  sleep 0.2
  rm -rf -- "$folder"
} 2>/dev/null &
watch=$!
wait "$setup"
status=$?
kill -KILL -- "-$watch"
exit "$status"
