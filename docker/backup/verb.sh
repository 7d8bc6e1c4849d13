#!/bin/sh
# Every verb on PATH is a link to this file: runs the bundle of the name that it was called by.
verb=$(basename "$0")
[ "$verb" != list-backups ] || verb=list
exec node --enable-source-maps "/app/dist/$verb.mjs" "$@"
