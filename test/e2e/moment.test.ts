import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { filesIn } from '../support/folders.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(WITH_LOG, ['host replication all 127.0.0.1/32 trust']);
const log = missing ? undefined : await takeLog(postgres);

describe('a moment of one database, from the log of its server', { skip: missing }, () => {
  const database = missing ? '' : postgres.freshName();
  const neighbour = missing ? '' : postgres.freshName();
  if (!log) return;
  const env = () => log.env(database);
  const rows = () => postgres.sql(database, 'select count(*)::int as n from ledger').then(([{ n }]) => n as number);
  let base = '';
  let beforeTheBase = '';
  let good = '';
  let afterAll = '';

  before(async () => {
    await postgres.create(database);
    await postgres.create(neighbour);
    await postgres.sql(database, 'create table ledger (n int primary key)');
    beforeTheBase = await log.now();
    base = await log.base();
    await postgres.sql(database, 'insert into ledger select generate_series(1, 100)');
    await log.take();
    await postgres.sql(database, 'insert into ledger select generate_series(101, 107)');
    good = await log.now();
    await done('mark', ['before the drop', '--json'], env());
    await postgres.sql(database, 'drop table ledger');
    await sleep(1_100);
    await log.take();
    afterAll = await log.now();
    await log.stop();
  });

  test('can be looked into, with nothing restored', async () => {
    const asked = ['--query', 'select count(*) as n, max(n) as last from ledger', '--json'];
    const look = await runVerb('look', ['--at', good, '--source', database, ...asked], env());
    assert.equal(look.code, 0, look.stderr);
    assert.equal(look.json.key, base);
    assert.deepEqual(look.json.rows, [{ n: 107, last: 107 }]);
    assert.match(look.stderr, /replayed up to/);
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith('look-postgres-')),
      [],
    );
  });

  test('brings back every row that was committed by then, says the border, leaves the neighbour alone, and is undone', async () => {
    const untouched = await postgres.fingerprint(neighbour);
    const restored = await done('restore', ['--at', good, '--json'], env());
    assert.equal(await rows(), 107);
    const { moment, key, previousDatabase } = restored.json;
    assert.equal(key, base);
    assert.equal(moment.asked, good.replace(/\.?0+Z$/, 'Z'));
    assert.ok(moment.lastIn <= good, `${moment.lastIn} is in`);
    assert.ok(moment.firstOut > good, `${moment.firstOut} is out`);
    assert.match(moment.firstOutXid, /^\d+$/);
    // said before anything was fetched
    assert.match(restored.stderr, /from the base base\/.*\n.*of log after it.*\n.*room for it.*\n.*stored up to/);
    assert.match(restored.stderr, /unlogged tables come back empty.*sessions/);
    assert.deepEqual(await postgres.fingerprint(neighbour), untouched);
    const undone = await done('restore', ['--undo', '--json'], env());
    assert.equal(undone.json.restoredFrom, previousDatabase);
    await assert.rejects(rows(), /relation "ledger" does not exist/);
  });

  test('a mark, beside the live database, with all that backups leave out', async () => {
    const to = postgres.freshName();
    const leavesOut = { BACKUP_EXCLUDE_TABLE: 'ledger' };
    await done('restore', ['--mark', 'before the drop', '--to', to, '--json'], { ...env(), ...leavesOut });
    const [{ n }] = await postgres.sql(to, 'select count(*)::int as n from ledger');
    assert.equal(n, 107);
    await assert.rejects(rows(), /does not exist/);
  });

  test('what the log does not lead to is refused, with what it does lead to, and nothing is fetched', async () => {
    const live = await postgres.fingerprint(database);
    const year = new Date().getUTCFullYear();
    const refused: [string[], RegExp][] = [
      [['--at', beforeTheBase], /before the end of the oldest base/],
      [['--at', `${year + 1}-01-01`], /it is in the future, and the log of 127\.0\.0\.1 is stored up to/],
      [['--at', new Date(Date.now() - 1).toISOString()], /the log of 127\.0\.0\.1 is stored up to/],
      [['--mark', 'never made'], /there is no mark of that name.*there are: before the drop/],
      [['--lsn', 'FFFF/0'], /the log of 127\.0\.0\.1 is stored up to/],
      [['--xid', '3'], /before the end of the oldest base/],
    ];
    for (const [words, why] of refused) {
      const refused = await runVerb('restore', [...words, '--json'], env());
      assert.equal(refused.code, 1, `${words}: ${refused.stderr}`);
      assert.match(refused.stderr, why, words.join(' '));
      assert.match(refused.json.error.hint, /Any moment of these can be: 20.*Z to 20.*Z.*Nothing was fetched/);
    }
    assert.deepEqual(await postgres.fingerprint(database), live);
  });

  test('words that are no moment are refused before anything is listed', async () => {
    for (const [words, why] of [
      [['--at', 'yesterday'], /is not a time such as/],
      [['--at', '2026-02-30T10:00:00Z'], /is not a time such as/],
      [['--at', good, '--xid', '8749'], /one moment at a time/],
      [['--xid', 'x'], /is no transaction's number/],
      [['--lsn', '12'], /is no position/],
      [['latest', '--mark', 'x'], /mean a moment of the log, and go with no backup/],
      [[], /Give a key or latest, or a moment/],
    ] as const) {
      const refused = await runVerb('restore', words, env());
      assert.equal(refused.code, 2, `${words}: ${refused.stderr}`);
      assert.match(refused.stderr, why);
    }
  });

  test('without a log there are no moments, and the nearest dump is named', async () => {
    const refused = await runVerb('restore', ['--at', good], {
      ...env(),
      PITR: 'false',
      BACKUP_DIR: join(log.store, '..'),
      S3_PREFIX: `none-${process.pid}`,
    });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /PITR is off.*there are dumps, and no moments between them/);
    assert.match(refused.stderr, /There is no dump of/);
  });

  test('a disk that is too small is refused with both figures', async () => {
    const small = '/dev/shm';
    if (!existsSync(small)) return;
    const manifest = join(log.store, base);
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(
      manifest,
      text.replace(/"rawBytes": \d+,\n {2}"tables|"rawBytes": \d+\n\}/, '"rawBytes": 1000000000000000\n}'),
    );
    const refused = await runVerb('restore', ['--at', good], env());
    writeFileSync(manifest, text);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /has [\d.]+ [KMGT]iB free; recovering 127\.0\.0\.1 needs about 10\d\d\.\d TiB/);
  });

  test('an object that is missing, cut short or changed is named, and nothing is touched', async () => {
    const live = await postgres.fingerprint(database);
    const chain = join('wal', '127.0.0.1', log.chain);
    const parts = filesIn(log.store).filter((name) => name.startsWith(chain) && name.endsWith('.gz'));
    const [part = ''] = parts.slice(-2);
    const path = join(log.store, part);
    const bytes = readFileSync(path);
    const flipped = Buffer.from(bytes);
    const middle = flipped.length >> 1;
    flipped[middle] = (flipped[middle] ?? 0) ^ 0xff;
    const raw = gunzipSync(bytes);
    // a record of the log that was changed, in an object that is whole
    const tampered = Buffer.from(raw);
    tampered.fill(0x5a, 200, 260);
    const faults: [string, () => void, RegExp][] = [
      ['cut', () => writeFileSync(path, bytes.subarray(0, -20)), /is damaged|not what was stored/],
      ['flipped', () => writeFileSync(path, flipped), /is damaged|not what was stored/],
      [
        'tampered',
        () => writeFileSync(path, gzipSync(tampered)),
        /can be replayed up to .* alone: what follows is not what/,
      ],
      ['missing', () => rmSync(path), /has a gap from .* on: objects of .* are missing in the store/],
    ];
    for (const [name, harm, why] of faults) {
      harm();
      const refused = await runVerb('restore', ['--at', good], env());
      writeFileSync(path, bytes);
      assert.equal(refused.code, 1, `${name}: ${refused.stderr}`);
      assert.match(refused.stderr, why, name);
      if (name !== 'missing') assert.ok(refused.stderr.includes(part), `${name} names ${part}: ${refused.stderr}`);
    }
    assert.deepEqual(await postgres.fingerprint(database), live);
    assert.ok(afterAll > good);
    const left = readdirSync(tmpdir()).filter((name) => /^moment-postgres-/.test(name));
    assert.deepEqual(left, []);
  });
});
