#!/bin/sh
# Names the secrets of this stack that are still those of .env.example, by their values as Compose reads them: however they
# are quoted, and whatever their lines end with.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../.."
config=$(docker compose config)
unchanged=$(sed -nE "s/^([A-Z0-9_]+)='(.+)'$/\\1 \\2/p" .env.example | while read -r name value; do
  ! printf '%s\n' "$config" | grep -qE "^ +${name}: ['\"]?${value}['\"]?$" || printf '%s ' "$name"
done)
[ -n "$unchanged" ] || exit 0
cat >&2 <<END

Warning: these secrets in .env are the examples that everybody knows: $unchanged
.env.example says how to make others. For a look around they do; before real data, change them and run
make clean && make up (make clean deletes this stack's databases and local backups).
END
