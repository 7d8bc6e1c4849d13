#!/bin/sh
# Every verb on PATH is a link to this file: runs the bundle of the name that it was called by.
verb=$(basename "$0")
[ "$verb" != list-backups ] || verb=list

# initdb asks for the account of the user who runs it: a user that the image does not know gets one
if ! id -un >/dev/null 2>&1; then
  account=${TMPDIR:-/tmp}/account-$(id -u)
  mkdir -m 700 "$account" 2>/dev/null || true
  if [ -O "$account" ]; then
    printf 'backup:x:%s:%s::/tmp:/bin/sh\n' "$(id -u)" "$(id -g)" >"$account/passwd"
    printf 'backup:x:%s:\n' "$(id -g)" >"$account/group"
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$account/passwd" NSS_WRAPPER_GROUP="$account/group"
  fi
fi
exec node "/app/dist/$verb.mjs" "$@"
