#!/usr/bin/env bash
# 10,000 tables, each with a sequence and three indexes, and 100,000 large objects on a server with PostgreSQL's default settings:
# backup, drill, restore beside and in place. Usage, in the checkout, as root on Debian with a PostgreSQL server installed:
#   test/by-hand/many-objects.sh [format …]      (sql custom folder) TABLES=10000 OBJECTS=100000
# Prints what each took. Results: docs/reliability.md.
set -euo pipefail
formats=("$@"); [ $# -gt 0 ] || formats=(sql custom folder)
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
place=$(mktemp -d /tmp/many.XXXXXX); chmod 755 "$place"
port=$((20000 + RANDOM % 20000))
finish() {
  runuser -u postgres -- "$bin/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$place"
}
trap finish EXIT
install -d -o postgres "$place/data" "$place/socket" "$place/drills"; mkdir "$place/backups"
runuser -u postgres -- "$bin/initdb" -D "$place/data" -A trust -U postgres -N >/dev/null
runuser -u postgres -- "$bin/pg_ctl" -D "$place/data" -o "-p $port -k $place/socket -c fsync=off" -w -l "$place/socket/log" start >/dev/null
export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres
"$bin/createdb" myapp
tables=${TABLES:-10000} objects=${OBJECTS:-100000}
"$bin/psql" -qXAt -v ON_ERROR_STOP=1 -d myapp >/dev/null <<SQL
DO \$\$ BEGIN FOR i IN 1..$tables LOOP
  EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, a text, b int UNIQUE, c timestamptz)', i);
  EXECUTE format('CREATE INDEX ON t%s (c)', i);
  EXECUTE format('INSERT INTO t%s (a, b) VALUES (''x'', 1)', i);
  IF i % 100 = 0 THEN COMMIT; END IF;
END LOOP; END \$\$;
DO \$\$ BEGIN FOR i IN 1..$objects LOOP
  PERFORM lo_from_bytea(100000 + i, decode(md5(i::text), 'hex'));
  IF i % 1000 = 0 THEN COMMIT; END IF;
END LOOP; END \$\$;
SQL
our() {
  local verb=$1 began=$SECONDS; shift
  env -i HOME="$place" PATH="$PATH" LANG=C.UTF-8 NO_COLOR=1 POSTGRES_HOST=127.0.0.1 POSTGRES_PORT="$port" POSTGRES_USER=postgres \
    POSTGRES_DB=myapp BACKUP_DIR="$place/backups" DRILL_DIR="$place/drills" TMPDIR="$place/drills" BACKUP_FORMAT="$format" \
    node --import tsx "scripts/$verb.ts" "$@" >"$place/out" 2>"$place/log" || { tail -5 "$place/log"; echo "$format: $verb failed"; exit 1; }
  printf '%s %s: %s s\n' "$format" "$verb $*" $((SECONDS - began))
}
chmod 777 "$place/drills"
for format in "${formats[@]}"; do
  our backup
  our drill
  grep -oE 'passed, equal: [^:]*' "$place/log"
  our restore latest --to beside
  [[ $("$bin/psql" -qXAt -d beside -c 'SELECT count(*) FROM pg_largeobject_metadata') == "$objects" ]]
  [[ $("$bin/psql" -qXAt -d beside -c "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'") == "$tables" ]]
  "$bin/dropdb" beside
done
our restore latest
