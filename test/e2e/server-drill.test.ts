import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { filesIn } from '../support/folders.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb, until } from '../support/verbs.ts';
import { commitToAbort } from '../support/wal-records.ts';

const { postgres, missing } = await startPostgres(
  [...WITH_LOG, 'autovacuum=off'],
  ['host replication all 127.0.0.1/32 trust'],
);
const log = missing ? undefined : await takeLog(postgres);
const checks = mkdtempSync(join(tmpdir(), 'drill-checks-'));
after(() => rmSync(checks, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: a document of the verb's
type Result = any;

describe('the drill of a server recovers it from its base and its log', { skip: missing }, () => {
  if (!log) return;
  const database = postgres.freshName();
  const env = () => ({ ...log.env(database), DRILL_CHECKS: checks });
  let xid = '';
  let dumped = '';

  const drilled = async (): Promise<Result> => {
    const drill = await runVerb('drill', ['--json'], env());
    const result = drill.json.results.find(({ source }: Result) => source === 'server:127.0.0.1');
    assert.ok(result, drill.stderr);
    return { ...result, code: drill.code, stderr: drill.stderr };
  };
  const check = (result: Result, name: string) => result.checks.find((each: Result) => each.name === name);

  before(async () => {
    await postgres.create(database, 'empty');
    await postgres.sql(database, 'create table ledger (n int primary key)');
    const base = join(log.store, await log.base());
    const [row] = await postgres.sql(
      database,
      'insert into ledger select generate_series(1, 50) returning txid_current()::text as xid',
    );
    xid = row.xid;
    // a state is that of one position only where nobody writes meanwhile
    dumped = await until('a dump of a quiet server', async () => {
      const taken = await done('backup', ['--json'], env());
      const [{ key }] = taken.json.results;
      const manifest = JSON.parse(readFileSync(join(log.store, key.replace(/\.sql\.gz$/, '.json')), 'utf8'));
      return manifest.exactLsn === undefined ? undefined : (key as string);
    });
    // as it is where both are of one second, of which a dump's key tells no more
    const { createdAt } = JSON.parse(readFileSync(join(log.store, dumped.replace(/\.sql\.gz$/, '.json')), 'utf8'));
    const endedAt = new Date(Math.floor(Date.parse(createdAt) / 1_000) * 1_000 + 999).toISOString();
    writeFileSync(base, JSON.stringify({ ...JSON.parse(readFileSync(base, 'utf8')), endedAt }));
    await postgres.sql(database, 'insert into ledger select generate_series(51, 60)');
    writeFileSync(join(checks, 'no-more-than-sixty.sql'), 'select count(*) from ledger having count(*) > 60');
    await log.take();
    await log.stop();
  });

  test('to the end of its log, then at the position of a dump, with its exact rows', async () => {
    const first = await drilled();
    assert.equal(first.ok, true, JSON.stringify(first.checks));
    assert.match(
      check(first, 'log').detail,
      /^replayed to the end of its log: 0\/[0-9A-F]+, of 0\/[0-9A-F]+ that are stored/,
    );
    for (const name of ['base', 'amcheck', 'page checksums', 'no-more-than-sixty.sql'])
      assert.equal(check(first, name)?.ok, true, `${name}: ${JSON.stringify(first.checks)}`);
    assert.ok(first.rtoMs > 0 && first.rpoMs >= 0);

    const second = await drilled();
    assert.equal(second.ok, true, JSON.stringify(second.checks));
    const rows = check(second, 'rows as in the dump of that position');
    assert.match(rows.detail, new RegExp(`^${dumped}: 1 tables, 50 rows$`));
    assert.deepEqual(second.tables, [{ table: 'public.ledger', expected: 50, restored: 50 }]);
  });

  test('a query of the operator that returns rows fails it', async () => {
    writeFileSync(join(checks, 'none.sql'), 'select 1 from ledger limit 1');
    const result = await drilled();
    rmSync(join(checks, 'none.sql'));
    assert.equal(result.ok, false);
    assert.equal(check(result, 'none.sql').ok, false);
  });

  test('a log that was changed, with its checksums mended, is found out by the rows', async () => {
    const part = filesIn(log.store).find((name) => {
      if (!name.startsWith(`wal/127.0.0.1/${log.chain}`) || !name.endsWith('.gz')) return false;
      return commitToAbort(gunzipSync(readFileSync(join(log.store, name))), Number(xid)) !== undefined;
    });
    assert.ok(part, 'the object that holds the commit');
    const path = join(log.store, part);
    const whole = readFileSync(path);
    writeFileSync(path, gzipSync(commitToAbort(gunzipSync(whole), Number(xid)) ?? whole));
    // whether it is the turn of the end or of the dump's position
    const results = [await drilled(), await drilled()];
    writeFileSync(path, whole);
    const rows = results.map((result) => check(result, 'rows as in the dump of that position')).find((each) => each);
    assert.equal(rows?.ok, false, JSON.stringify(results.map((each) => each.checks)));
    assert.match(rows.detail, /public\.ledger/);
  });
});
