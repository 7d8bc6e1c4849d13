#!/usr/bin/env bash
# The whole stack with a backup every minute, while its parts are restarted and made anew one after the other. In the end each
# due run has its backup, or `status` has told of it. Usage, in the checkout, with Docker:
#   test/by-hand/stack-for-an-hour.sh [minutes]      # 60; at least 15 for every disturbance once
# Prints what was done, each minute that has no backup, and who told of it; exits 1 when nobody did.
set -euo pipefail
minutes=${1:-60}
cd "$(dirname "$0")/../.."
place=$(mktemp -d /tmp/stack-for-an-hour.XXXXXX); chmod 755 "$place"
export COMPOSE_PROJECT_NAME="stack-for-an-hour-$$" BUILDKIT_PROGRESS=plain COMPOSE_ANSI=never
git ls-files -z | tar -c --null -T - | tar -x -C "$place"
cd "$place"
children=()
finish() {
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  [ -n "${KEEP:-}" ] || docker compose --profile '*' down --volumes --rmi local --remove-orphans --timeout 5 >/dev/null 2>&1 || true
  [ -n "${KEEP:-}" ] || rm -rf "$place"
}
trap finish EXIT
trap 'exit 130' INT TERM

cat >.env <<END
POSTGRES_PASSWORD='$(openssl rand -hex 12)'
S3_ACCESS_KEY='GK$(openssl rand -hex 12)'
S3_SECRET_KEY='$(openssl rand -hex 32)'
GARAGE_RPC_SECRET='$(openssl rand -hex 32)'
MARIADB_PASSWORD=''
COMPOSE_PROFILES='socket-proxy'
OFELIA_DOCKER_HOST='tcp://socket-proxy:2375'
DOCKER_SOCKET='/dev/null'
BACKUP_SCHEDULE='0 * * * * *'
CONNECT_TIMEOUT='5s'
RETENTION_KEEP_LAST='unlimited'
END
# the same program from Debian, which every machine that has come this far can get
cat >docker-compose.override.yml <<'END'
services:
  socket-proxy:
    image: ${COMPOSE_PROJECT_NAME}-haproxy
    build:
      context: .
      dockerfile_inline: |
        FROM debian:trixie-slim
        RUN apt-get update && apt-get install -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
END
make --no-print-directory up >up.log 2>&1 || { tail -30 up.log; exit 2; }
docker compose exec -T postgres psql -qX -U postgres -d myapp -c 'create table t as select g i, md5(g::text) s from generate_series(1, 20000) g'

began=$(date +%s)
ends=$((began + minutes * 60))
# what status says, every ten seconds, each time a line
while :; do
  { printf '%s ' "$(date -u +%FT%T.000Z)"; timeout 30 docker compose exec -T backup status --json 2>/dev/null | tr -d '\n' || true; echo; } >>told
  sleep 10
done </dev/null &
children+=($!)

# at SECOND of a minute; the first second is when backups are due
at() { while (($(date +%-S) != $1)); do sleep 0.2; done; }
did() { printf '%sZ %s\n' "$(date -u +%FT%T)" "$1" | tee -a did; shift; "$@" >>did.log 2>&1 || { echo "  it failed: $(tail -n 1 did.log)" | tee -a did; }; }
round() {
  at 57; did 'Ofelia is restarted' docker compose restart ofelia
  sleep 70; at 58; did 'the backup container is made anew, alone' docker compose up -d --no-deps --force-recreate backup
  sleep 70; at 58; did "the database's container is made anew" docker compose up -d --no-deps --force-recreate postgres
  sleep 70; at 59; did 'the proxy is restarted' docker compose restart socket-proxy
  sleep 70; at 1; did 'the backup container is killed in a backup' docker compose kill backup
  did 'and started' docker compose start backup
  sleep 70; at 30; did 'the store is restarted' docker compose restart garage
  sleep 40; at 50; did 'the backup container is stopped' docker compose stop backup
  sleep 150; did 'and started' docker compose start backup
  sleep 60; did 'Ofelia is stopped' docker compose stop ofelia
  sleep 420; did 'and started' docker compose start ofelia
  sleep 60; at 55; did 'make up, with nothing changed' make --no-print-directory up
  sleep 70; at 50; did 'everything is made anew' docker compose up -d --force-recreate --wait
  sleep 70
}
while (($(date +%s) < ends)); do round || true; done &
children+=($!)
while (($(date +%s) < ends)); do sleep 1; done
kill "${children[1]}" 2>/dev/null || true; wait "${children[1]}" 2>/dev/null || true
docker compose up -d --wait >>did.log 2>&1
sleep 130

docker compose exec -T backup list --json >listed.json
docker compose exec -T backup cat /tmp/jobs/history/backup >history
drill=passed
docker compose exec -T backup drill >drill.log 2>&1 || { drill=FAILED; tail -n 5 drill.log; }
echo "a rehearsal of the last one: $drill"
# shellcheck disable=SC2016 # for node
BEGAN=$began ENDS=$ends node -e '
  const { readFileSync } = require("node:fs");
  const minute = 60_000;
  const backups = JSON.parse(readFileSync("listed.json", "utf8")).filter((each) => each.manifest).map((each) => Date.parse(each.createdAt));
  const polls = readFileSync("told", "utf8").split("\n").flatMap((line) => {
    const [time, ...rest] = line.split(" ");
    try { return [{ time: Date.parse(time), job: JSON.parse(rest.join(" ")).jobs.find(({ job }) => job === "backup") }]; } catch { return []; }
  });
  // Ofelia begins no second run beside one that is under way
  const runs = [];
  for (const line of readFileSync("history", "utf8").split("\n")) {
    const [time, event, pid] = line.split(" ");
    if (event === "began") runs.push({ pid, from: Date.parse(time), to: Date.parse(time) });
    const run = runs.findLast((each) => each.pid === pid);
    if (event === "ended" && run) run.to = Date.parse(time);
  }
  const within = (time, due) => time >= due - 1_000 && time < due + minute - 1_000;
  const first = (test) => polls.find(({ job }) => test(job))?.time;
  const counts = { due: 0, "backed up": 0, "one was under way": 0, "told of as missed": 0, "told of as failed": 0, "nobody told": 0, "told of though it was there": 0 };
  let latest = 0;
  for (let due = Math.ceil(process.env.BEGAN / 60) * minute; due < process.env.ENDS * 1_000; due += minute) {
    counts.due += 1;
    const isThere = backups.some((time) => within(time, due));
    const missed = first((job) => job.missed.some((time) => Date.parse(time) === due));
    const failed = first((job) => job.failed.some((time) => within(Date.parse(time), due)));
    const at = new Date(due).toISOString();
    if (isThere) {
      counts["backed up"] += 1;
      if (missed) { counts["told of though it was there"] += 1; console.log(`${at}: backed up, and called missed`); }
      continue;
    }
    if (runs.some(({ from, to }) => from < due && due <= to)) {
      counts["one was under way"] += 1;
      continue;
    }
    const told = Math.min(missed ?? Infinity, failed ?? Infinity);
    const how = told === Infinity ? "nobody told" : told === missed ? "told of as missed" : "told of as failed";
    counts[how] += 1;
    if (told < Infinity) latest = Math.max(latest, told - due);
    console.log(`${at}: no backup; ${how}${told < Infinity ? ` after ${Math.round((told - due) / 1_000)} s` : ""}`);
  }
  const alarms = polls.filter(({ job }) => !job.ok).length;
  console.log(Object.entries(counts).map(([what, count]) => `${what}: ${count}`).join(", "));
  console.log(`told at the latest after ${Math.round(latest / 1_000)} s; of ${polls.length} answers of status ${alarms} were an alarm for a job that was not started`);
  process.exit(counts["nobody told"] + counts["told of though it was there"] > 0 ? 1 : 0);
'
[ "$drill" = passed ]
