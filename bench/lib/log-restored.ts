import { spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acknowledged, dropSlots, type Logged, ROW_BYTES, written } from './log-taken.ts';
import { source, verb } from './ours.ts';
import { comparison } from './report.ts';
import { dropAllBut } from './restores.ts';
import { inTurns, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { TestBed } from './test-bed.ts';

const SLOT = 'bench_by_hand';
const OUR_SLOTS = "slot_name like 'cdb%' and not temporary";
const PITR = { PITR: 'true', BASE_SCHEDULE: 'off' };
/** What a server of one's own listens at. */
const PORT = 25_999;

const BY_HAND = 'zstd, tar, replay with cp, pg_dump | psql, by hand';
const OURS = 'ours, restore --at --to, every check';

/** A moment of one database brought back from a base and the log since, beside what one would do by hand. */
export async function momentRestored(bed: TestBed, of: Logged): Promise<{ body: string; targets: Target[] }> {
  const store = { BACKUP_DIR: bed.empty('moment-log') };
  const [base, segments] = [bed.empty('moment-base'), bed.empty('moment-segments')];
  for (const folder of [base, segments]) chmodSync(folder, 0o755);
  const receiver = await of.receiving(bed, of.name, store);
  const theirs = await segmentsTaken(bed, segments);
  let at: string;
  try {
    await bed.run(`pg_basebackup -D - -Ft -X fetch --checkpoint=fast | zstd -1 -q >${base}/base.tar.zst`);
    at = await writtenTo(bed, of.name, of.logBytes);
    // the segment that holds it is whole, and beyond it there is more
    await bed.query('postgres', "select pg_logical_emit_message(true, 'bench', 'beyond')");
    await bed.query('postgres', 'select pg_switch_wal()');
    const end = await written(bed);
    for (const slots of [OUR_SLOTS, `slot_name = '${SLOT}'`]) await acknowledged(bed, slots, end);
  } finally {
    await theirs();
    await receiver.end();
    await bed.query(of.name, 'drop table if exists since');
  }
  await bed.run(`chmod -R a+rX ${segments} ${base}`);
  const env = { ...source(bed, of.name), ...PITR, ...store };
  const candidates = [
    { name: BY_HAND, script: byHand(bed, { base, segments, at, database: of.name }), env: {} },
    { name: OURS, script: verb('restore', '--at', at, '--to', 'restored', '--json'), env },
  ];
  const runs = await inTurns(candidates, of.rounds, async ({ script, env: own }) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(script, { ...own, DRILL_DIR: opened(bed.empty('recovered')) });
    await holdsAll(bed, of.logBytes);
    await dropAllBut(bed, of.name);
    return measured;
  });
  const [hand, ours] = runs;
  return {
    body: comparison(runs),
    targets:
      hand && ours
        ? [{ what: 'a moment of the log, of by hand', reached: ratio(ours, hand), atMost: WANTED.moment, unit: '×' }]
        : [],
  };
}

/** The server's own tool takes the log, too; ended by what is returned. */
async function segmentsTaken(bed: TestBed, folder: string): Promise<() => Promise<void>> {
  const words = ['-D', folder, '--slot', SLOT];
  await bed.run(`pg_receivewal ${words.join(' ')} --create-slot --if-not-exists`);
  const child = spawn('pg_receivewal', [...words, '--synchronous'], { env: bed.env, stdio: 'ignore' });
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return async () => {
    child.kill('SIGTERM');
    await over;
    await dropSlots(bed, `slot_name = '${SLOT}'`);
  };
}

/** @returns the moment after it */
async function writtenTo(bed: TestBed, database: string, bytes: number): Promise<string> {
  const rows = rowsOf(bytes);
  await bed.query(
    database,
    `create table since as select n, repeat(md5(n::text), 4) as v from generate_series(1, ${rows}) n`,
  );
  await sleep(1_000);
  const [row] = await bed.query<{ at: string }>(
    database,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at`,
  );
  await sleep(1_000);
  return row?.at ?? '';
}

const rowsOf = (bytes: number) => Math.ceil(bytes / ROW_BYTES);

async function holdsAll(bed: TestBed, bytes: number): Promise<void> {
  const [row] = await bed.query<{ n: string }>('restored', 'select count(*)::text as n from since');
  if (Number(row?.n) !== rowsOf(bytes)) throw new Error(`restored ${row?.n} of ${rowsOf(bytes)} rows`);
}

function opened(folder: string): string {
  chmodSync(folder, 0o1777);
  return folder;
}

function byHand(bed: TestBed, of: { base: string; segments: string; at: string; database: string }): string {
  const data = join(bed.folder, 'recovered', 'data');
  // the server refuses root
  const as = process.getuid?.() === 0 ? 'runuser -u postgres -- env PATH="$PATH"' : 'env';
  const settings = join(of.base, 'recovery.conf');
  writeFileSync(
    settings,
    [
      '',
      `restore_command='cp ${of.segments}/%f "%p"'`,
      // the server knows no zone by its letter at this point
      `recovery_target_time='${of.at.replace('T', ' ').replace('Z', '+00')}'`,
      'recovery_target_action=promote',
      'fsync=off',
      '',
    ].join('\n'),
  );
  return `
    ${as} mkdir -m 700 ${data} && zstd -dcq ${of.base}/base.tar.zst | ${as} tar -x -C ${data} &&
    ${as} touch ${data}/recovery.signal && cat ${settings} | ${as} tee -a ${data}/postgresql.auto.conf >/dev/null &&
    ${as} pg_ctl -s -w -t 600 -D ${data} -o "-p ${PORT} -k ${data} -c listen_addresses=" -l ${data}/log start || { cat ${data}/log >&2; exit 1; } &&
    until [[ $(psql -qXAt -h ${data} -p ${PORT} -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null) == f ]]; do
      ${as} pg_ctl -s -D ${data} status >/dev/null || { cat ${data}/log >&2; exit 1; }; sleep 0.05
    done &&
    createdb -T template0 restored && pg_dump -h ${data} -p ${PORT} ${of.database} | psql -q -X -v ON_ERROR_STOP=1 -d restored >/dev/null &&
    ${as} pg_ctl -s -D ${data} -m immediate stop && rm -rf ${data}`;
}
