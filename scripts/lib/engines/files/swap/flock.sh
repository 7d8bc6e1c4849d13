#!/usr/bin/env bash
# flock.sh PATH [OPTION…]: locks a file or folder with flock(1) and its options, says so, and holds it until the input ends.
# Opened for reading alone, so that a folder and what is mounted read-only can be locked, and nothing is made where
# nothing is. The lock is cat's, which ends as our side of its input is closed: when that process goes, so does the lock.
exec 9<"$1" || exit 76
shift
flock "$@" 9 || exit $?
echo held
exec cat >/dev/null
