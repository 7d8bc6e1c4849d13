#!/usr/bin/env bash
# throwaway.sh SIGNAL FOLDER COMMAND…: runs a server until the input ends, stops it with the signal, removes its folder.
# When the process that holds the other end of the input goes, even by SIGKILL, the server and its folder go too.
signal=$1
folder=$2
shift 2
"$@" </dev/null &
server=$!
# shellcheck disable=SC2064 # the server's number is known now
trap "kill -$signal $server 2>/dev/null" TERM INT
cat >/dev/null
# bash tells of a server that was killed, and whoever was to read that may be gone
trap '' PIPE
kill "-$signal" "$server" 2>/dev/null
# one that is frozen takes no other signal
for _ in {1..200}; do
  kill -0 "$server" 2>/dev/null || break
  sleep 0.05
done
kill -KILL "$server" 2>/dev/null
wait "$server"
# a client that was given a terminal has this folder on its command line, and nobody to end it any more
for process in /proc/[0-9]*; do
  if [ "${process#/proc/}" != $$ ] && grep -qsF -- "$folder" "$process/cmdline"; then kill -KILL "${process#/proc/}" 2>/dev/null; fi
done
rm -rf -- "$folder"
