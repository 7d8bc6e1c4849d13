#!/bin/sh
# take-segment.sh SPOOL NAME TO RESTARTPOINT: what a recovering server asks for a file of the log by (restore_command).
# It waits for what the plan says will come. Only what the plan says is not there is answered by 1, which the server
# takes for the end of the log; everything else ends the recovery (any status above 125 does), for an end that is none
# would lose what came after it, and say nothing.
spool=$1 name=$2 to=$3 needed=$4
printf '%s %s\n' "$name" "$needed" >"$spool/asked.new" && mv "$spool/asked.new" "$spool/asked" || exit 200
while :; do
  if [ -e "$spool/files/$name" ]; then
    cp "$spool/files/$name" "$to" && exit 0
    exit 200
  fi
  [ ! -e "$spool/failed" ] || exit 200
  grep -qxF "$name" "$spool/absent" && exit 1
  case $name in
    # every history that there is was put here before the server was started
    *.history) exit 1 ;;
  esac
  grep -qxF "$name" "$spool/planned" || exit 200
  sleep 0.02
done
