#!/usr/bin/env bash
# input-from-3.sh COMMAND…: runs a command whose input is descriptor 3.
exec "$@" <&3 3<&-
