#!/usr/bin/env bash
# guard.sh FOLDER [COMMAND…]: a line on the input tells it to run the command and remove the folder; the end of the input
# without one, that the process which started it is gone, by SIGKILL maybe, and that what it had started may still be at
# work for a moment. Ctrl-C reaches the whole group, this one too, so it has to be deaf to it; and a reader that is gone
# must not be written to.
trap '' INT TERM HUP PIPE
folder=$1
shift
before() {
  (($#)) || return 0
  for _ in 1 2 3; do
    "$@" </dev/null >"$folder/guard.log" 2>&1 && return
  done
  return 1
}
read -r line
if [[ $line != remove ]]; then
  before "$@"
  (($#)) && sleep 20
fi
before "$@"
status=$?
((status == 0)) || tail -n 5 "$folder/guard.log" >&2
rm -rf -- "$folder"
exit "$status"
