#!/usr/bin/env bash
# How long an application waits for a backup, and for pg_dump alone: pgbench runs beside it, and TRUNCATE … RESTART IDENTITY, DROP
# SEQUENCE and ALTER TABLE by turns. Usage, in the checkout, as root on Debian with a PostgreSQL server installed:
#   test/by-hand/beside-the-application.sh [rounds]
# Prints, for pg_dump and each format, how many of the rounds failed and the longest wait in milliseconds.
set -euo pipefail
rounds=${1:-5}
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
place=$(mktemp -d /tmp/beside.XXXXXX); chmod 755 "$place"
port=$((20000 + RANDOM % 20000)); pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  runuser -u postgres -- "$bin/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$place"
}
trap finish EXIT
install -d -o postgres "$place/data" "$place/socket"; mkdir "$place/backups"
runuser -u postgres -- "$bin/initdb" -D "$place/data" -A trust -U postgres -N >/dev/null
runuser -u postgres -- "$bin/pg_ctl" -D "$place/data" -o "-p $port -k $place/socket -c fsync=off" -w -l "$place/socket/log" start >/dev/null
export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres PGDATABASE=myapp
"$bin/createdb" myapp; "$bin/pgbench" -i -q -s 10 myapp 2>/dev/null
"$bin/psql" -qX -c 'create table queue (id serial primary key, v text)' -c 'create table altered (id int)'

"$bin/pgbench" -n -c 2 -R 50 -T 3600 myapp >/dev/null 2>&1 & pids+=($!)
application() {
  local n=0 began
  while :; do
    n=$((n + 1)); began=$(date +%s%N)
    "$bin/psql" -qXAt -c 'truncate queue restart identity' -c "insert into queue (v) values ('x')" \
      -c "create sequence job_$n" -c "select nextval('job_$n')" -c "drop sequence job_$n" \
      -c "alter table altered add column c$((n % 2)) int" -c "alter table altered drop column c$((n % 2))" >/dev/null || true
    echo $((($(date +%s%N) - began) / 1000000)) >>"$place/waits"
    sleep 0.05
  done
}
application 2>/dev/null & pids+=($!)
ours() { # a format
  env -i HOME="$place" PATH="$PATH" POSTGRES_HOST=127.0.0.1 POSTGRES_PORT="$port" POSTGRES_USER=postgres POSTGRES_DB=myapp \
    BACKUP_DIR="$place/backups" BACKUP_FORMAT="$1" node_modules/.bin/tsx scripts/backup.ts
}
for what in pg_dump sql custom folder; do
  failed=0; sleep 1; : >"$place/waits"
  for _ in $(seq "$rounds"); do
    if [ $what = pg_dump ]; then "$bin/pg_dump" | gzip -1 >/dev/null || failed=$((failed + 1)); else ours $what >"$place/log" 2>&1 || { failed=$((failed + 1)); grep -m1 error: "$place/log" >&2 || true; }; fi
  done
  sleep 1
  echo "$what: $failed of $rounds failed, the application waited for at most $(sort -n "$place/waits" | tail -1) ms"
done
