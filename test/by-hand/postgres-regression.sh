#!/usr/bin/env bash
# PostgreSQL's own regression database, dumped and restored in every format. Takes some minutes.
#
# Each copy has to have the very lines that a copy by `pg_dump | psql` has. That one differs from the original: pg_dump does
# not keep the order of columns that a table inherited from several others, or was given later. Rows of a table that was
# cut for a folder may stand in another order.
#
#   test/by-hand/postgres-regression.sh SOURCE_TREE
#
# SOURCE_TREE: PostgreSQL's source of the server's version, unpacked (apt-get source postgresql-15, or postgresql.org), where
# the server's account can read it. PGHOST, PGPORT and PGUSER lead to a throwaway server on this machine, as a superuser. It
# makes and drops databases and roles there, and leaves `regression` and its copies.
set -euo pipefail
tree=${1:?where is the source of PostgreSQL?}
: "${PGHOST:?}" "${PGPORT:?}" "${PGUSER:?}"
project=$(cd "$(dirname "$0")/../.." && pwd)
suite=$(cd "$tree" && pwd)/src/test/regress
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -m 777 "$work/results"
chmod 755 "$work"

if [ ! -f "$suite/regress.so" ]; then
  (cd "$tree" && ./configure --without-readline --without-zlib && make -s -C src/backend generated-headers) >"$work/build.log" 2>&1
  gcc -O1 -fPIC -shared -I"$tree/src/include" -o "$suite/regress.so" "$suite/regress.c"
fi

# what pg_regress sets; what the single tests say is not looked at, only what they leave behind
psql -q -d postgres -c 'drop database if exists regression' -c "create database regression template template0 locale 'C'"
psql -q -d postgres -c "alter database regression set timezone_abbreviations = 'Default'"
tests=$(sed -n 's/^test://p' "$suite/parallel_schedule")
(
  cd "$work"
  export PG_ABS_SRCDIR=$suite PG_ABS_BUILDDIR=$work PG_LIBDIR=$suite PG_DLSUFFIX=.so
  export PGTZ=PST8PDT PGDATESTYLE='Postgres, MDY' PGOPTIONS='-c intervalstyle=postgres_verbose'
  for test in $tests; do
    timeout 300 psql -X -q -d regression <"$suite/sql/$test.sql" >"results/$test.out" 2>&1 || true
  done
)

lines() { pg_dump -d "$1" | grep -v '^\\\(un\)\?restrict ' | sort; }
psql -q -d postgres -c 'drop database if exists regression_reference' -c "create database regression_reference template template0 locale 'C'"
pg_dump -d regression | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -d regression_reference
lines regression_reference >"$work/reference"
echo "regression: $(psql -At -d regression -c 'select count(*) from pg_class where oid >= 16384') relations, $(wc -l <"$work/reference") lines of dump"
export POSTGRES_HOST=$PGHOST POSTGRES_PORT=$PGPORT POSTGRES_USER=$PGUSER POSTGRES_DB=regression BACKUP_JOBS=2
failed=0
for format in folder sql custom; do
  export BACKUP_FORMAT=$format BACKUP_DIR=$work/$format
  mkdir "$BACKUP_DIR"
  psql -q -d postgres -c "drop database if exists regression_$format"
  for verb in backup 'restore latest --to regression_'"$format"; do
    # shellcheck disable=SC2086 # a verb and its arguments
    node --import "file://$project/node_modules/tsx/dist/loader.mjs" "$project/scripts/${verb%% *}.ts" ${verb#"${verb%% *}"}
  done
  lines "regression_$format" >"$work/copy"
  if diff "$work/reference" "$work/copy" >"$work/$format.diff"; then
    echo "$format: equal"
  else
    echo "$format: differs" && head -40 "$work/$format.diff"
    failed=1
  fi
done
exit $failed
