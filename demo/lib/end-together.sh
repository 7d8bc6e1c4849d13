#!/usr/bin/env bash
# end-together.sh LOCK COMMAND…: runs the command and holds the lock as long as it runs. It is ended when this is, and when the
# input ends: the process which started it is gone then, by SIGKILL maybe.
exec 8<&0 9>"$1"
flock 9
shift
"$@" </dev/null 8<&- &
child=$!
end() {
  kill "$child"
  for _ in {1..50}; do
    kill -0 "$child" || return 0
    sleep 0.1
  done
  kill -KILL "$child"
} 2>/dev/null
trap end TERM INT HUP
{ cat <&8 >/dev/null; end; } 9<&- &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
