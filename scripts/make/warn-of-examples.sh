#!/bin/sh
# Names the secrets in .env that are still those of .env.example.
set -eu
cd "$(dirname "$0")/../.."
unchanged=$(grep -E '^[A-Z0-9_]+=' .env.example | grep -Fx -f - .env | cut -d= -f1 | tr '\n' ' ')
[ -n "$unchanged" ] || exit 0
cat >&2 <<END

Warning: these secrets in .env are the examples that everybody knows: $unchanged
.env.example says how to make others. For a look around they do; before real data, change them and run
make clean && make up (make clean deletes this stack's databases and local backups).
END
