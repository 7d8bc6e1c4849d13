#!/bin/sh
# Makes sure that the programs which the verbs start are on this machine. Silent when nothing is missing; installs with
# apt where that is possible, else says in one line what to install.
set -eu

server_program() {
  command -v "$1" >/dev/null 2>&1 && return
  for path in /usr/lib/postgresql/*/bin/"$1"; do [ ! -x "$path" ] || return 0; done
  return 1
}

packages=''
want() { case " $packages " in *" $1 "*) ;; *) packages="$packages $1" ;; esac; }

for program in initdb pg_ctl pg_dump psql; do server_program "$program" || want postgresql; done
for pair in igzip:isal zstd:zstd age:age perl:perl bash:bash sqlite3:sqlite3; do
  command -v "${pair%:*}" >/dev/null 2>&1 || want "${pair#*:}"
done
packages=${packages# }

# MariaDB sources, and the tests of them, want these. Nobody else does: without them this goes on, and nothing that is
# installed is removed for them.
optional=''
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && ! command -v mysql >/dev/null 2>&1; then
  command -v mariadb-dump >/dev/null 2>&1 || optional='mariadb-client'
  [ -x /usr/sbin/mariadbd ] || optional="$optional mariadb-server-core"
fi
[ -n "$packages$optional" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "Missing on this machine: $packages (named as in Debian). Install them with your package manager." >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "Missing on this machine. Install them: sudo apt-get install --no-install-recommends $packages" >&2
  exit 1
fi

echo "Installing what is missing on this machine: $packages${packages:+${optional:+ }}$optional" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Debian's package makes and starts a server of its own unless told not to; only the programs are wanted here
settings=/etc/postgresql-common/createcluster.conf
if [ ! -e "$settings" ]; then
  mkdir -p "${settings%/*}"
  echo 'create_main_cluster = false' >"$settings"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }
# shellcheck disable=SC2086 # a list of words
if ! { apt-get update && { [ -z "$packages" ] || install $packages; }; } >"$log" 2>&1; then
  [ -n "$packages" ] || exit 0
  tail -n 20 "$log" >&2
  echo "apt could not install them. By hand: apt-get install --no-install-recommends $packages" >&2
  exit 1
fi
# shellcheck disable=SC2086
if [ -n "$optional" ] && ! install --no-remove $optional >"$log" 2>&1; then
  echo "Not installed, and only MariaDB sources need it: $optional" >&2
fi
