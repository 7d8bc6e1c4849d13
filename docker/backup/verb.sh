#!/bin/sh
# Every verb on PATH is a link to this file: runs the script of the name that it was called by.
verb=$(basename "$0")
[ "$verb" != list-backups ] || verb=list
# one process of node instead of the two that the command tsx starts: signals and exit codes need no relay
exec node --import file:///app/node_modules/tsx/dist/loader.mjs "/app/scripts/$verb.ts" "$@"
