import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { encodeBaseManifest } from '../../scripts/lib/log/base-manifest.ts';
import { type LogObject, logKey, newChain } from '../../scripts/lib/log/keys.ts';
import { formatLsn, segmentName } from '../../scripts/lib/log/lsn.ts';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { done, runVerb, type Verb } from '../support/verbs.ts';

/** A folder to back up, a primary store, a copy, both folders, and what leads the verbs to them. */
function stack() {
  // in a folder of its own: what is restored beside it is to meet nobody else's
  const [data, primary, copy] = [join(temporaryFolder(), 'data'), temporaryFolder(), temporaryFolder()];
  place(data, 'letters/a.txt', 'dear a');
  place(data, 'letters/b.txt', 'dear b'.repeat(10_000));
  const env = {
    ...{ BACKUP_SOURCE_DATA: `file://${data}`, DRILL_DIR: temporaryFolder(), RETENTION_KEEP_LAST: 'unlimited' },
    ...{ BACKUP_DIR: primary, COPY_NAS: `file://${copy}` },
  };
  const run = (verb: Verb, ...args: string[]) => done(verb, args, env);
  return { data, primary, copy, env, run };
}

/** Another byte in the middle, the length as it was. */
function flip(path: string) {
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const dumpsIn = (folder: string) => filesIn(folder).filter((name) => /\.tar\.\w+$/.test(name));

test('a backup that is copied is listed in both, restored from the one that has it whole, and from a copy alone', async () => {
  const { data, primary, copy, env, run } = stack();
  await run('backup');
  await run('copy');
  const [listed] = (await run('list', '--json')).json;
  assert.deepEqual(listed.stores, ['primary', 'nas']);

  // damaged where it is read first: found on the way, said, and read from the other store
  const [dump = ''] = dumpsIn(primary);
  flip(join(primary, dump));
  const mended = await run('restore', 'latest', '--to=beside');
  assert.match(mended.stderr, /is not what was stored: its SHA-256.*: reading it from nas/);
  assert.equal(readFileSync(join(data, '..', 'beside', 'letters/a.txt'), 'utf8'), 'dear a');
  rmSync(join(data, '..', 'beside'), { recursive: true });

  // definitely not there: the next store, and said
  rmSync(join(primary, dump));
  const elsewhere = await run('restore', 'latest', '--to=beside');
  assert.match(elsewhere.stderr, /is not in primary: reading it from nas/);
  rmSync(join(data, '..', 'beside'), { recursive: true });
  const alone = await runVerb('restore', ['latest', '--from=primary', '--to=beside'], env);
  assert.equal(alone.code, 1, alone.stderr);

  // all of the primary store is gone, and the folder too: a copy is a whole store
  for (const name of filesIn(primary)) rmSync(join(primary, name));
  for (const name of filesIn(data)) rmSync(join(data, name));
  await run('restore', 'latest', '--from=nas');
  assert.equal(readFileSync(join(data, 'letters/a.txt'), 'utf8'), 'dear a');
  const whole = await runVerb('list', ['--json'], { ...env, BACKUP_DIR: copy, COPY_NAS: '' });
  assert.deepEqual([whole.json.length, whole.json[0].stores], [1, ['primary']]);
});

test('a drill comes round to each copy, and its record lies there', async () => {
  const { copy, env, run } = stack();
  const second = temporaryFolder();
  await run('backup');
  const both = { ...env, COPY_TAPE: `file://${second}` };
  await done('copy', [], both);
  const turns: string[][] = [];
  for (let n = 0; n < 2; n += 1) {
    const { json } = await done('drill', ['--json'], both);
    turns.push(json.results.map(({ store }: { store: string }) => store));
  }
  assert.deepEqual(turns, [
    ['primary', 'nas'],
    ['primary', 'tape'],
  ]);
  for (const folder of [copy, second])
    assert.equal(filesIn(folder).filter((name) => name.startsWith('drills/')).length, 1);
  const { json } = await runVerb('drill', ['--from=tape', '--json'], both);
  assert.deepEqual(
    json.results.map(({ store }: { store: string }) => store),
    ['tape'],
  );
  const status = await runVerb('status', ['--json'], both);
  assert.ok(status.json.copies.every(({ lastDrill }: { lastDrill: string | null }) => lastDrill !== null));
});

test('a held backup outlives retention in every store, until it is released', async () => {
  const { env, run } = stack();
  const keys: string[] = [];
  for (let n = 0; n < 3; n += 1) keys.push((await run('backup', '--json')).json.results[0].key);
  await run('copy');
  const [oldest = ''] = keys;
  const none = await runVerb('hold', [oldest], env);
  assert.deepEqual([none.code, /why is it to be held/.test(none.stderr)], [2, true]);
  const held = await run('hold', oldest, '--why', 'before the migration', '--json');
  assert.deepEqual(held.json.stores, [
    { name: 'primary', ok: true },
    { name: 'nas', ok: true },
  ]);
  const few = { ...env, RETENTION_KEEP_LAST: '1', RETENTION_KEEP_HOURLY: '0', RETENTION_KEEP_DAILY: '0' };
  const rules = { ...few, RETENTION_KEEP_WEEKLY: '0', RETENTION_KEEP_MONTHLY: '0', RETENTION_KEEP_YEARLY: '0' };
  const cleaned = await done('cleanup', ['--json'], rules);
  for (const of of [cleaned.json, cleaned.json.copies[0]]) {
    assert.deepEqual(
      of.remove.map(({ key }: { key: string }) => key),
      [keys[1]],
    );
    assert.deepEqual(of.keep.find(({ key }: { key: string }) => key === oldest).reasons, ['held']);
  }
  assert.match((await run('list')).stdout, /held: before the migration, in primary \+ nas/);
  await run('release', oldest);
  const then = await runVerb('cleanup', ['--json'], rules);
  assert.deepEqual(
    then.json.copies[0].remove.map(({ key }: { key: string }) => key),
    [oldest],
  );
  assert.equal((await runVerb('release', ['no/such'], env)).code, 1);
});

describe('cleanup of copies', () => {
  test('each by its own rules, and never what the primary store has nothing of any more', async () => {
    const { primary, copy, env, run } = stack();
    for (let n = 0; n < 3; n += 1) await run('backup');
    await run('copy');
    const own = { ...env, COPY_NAS: `file://${copy}?keep-last=1` };
    const saved = temporaryFolder();
    cpSync(primary, saved, { recursive: true });
    for (const name of filesIn(primary)) rmSync(join(primary, name));
    const emptied = await runVerb('cleanup', ['--json'], own);
    assert.match(emptied.stderr, /the primary store has no backup of data any more: nothing of it is deleted from nas/);
    assert.equal(dumpsIn(copy).length, 3);
    cpSync(saved, primary, { recursive: true });
    const dry = await runVerb('cleanup', ['--dry-run', '--json'], own);
    assert.deepEqual([dry.json.copies[0].remove.length, dumpsIn(copy).length], [2, 3]);
    const cleaned = await runVerb('cleanup', ['--json'], own);
    assert.deepEqual([cleaned.code, dumpsIn(copy).length, dumpsIn(primary).length], [0, 1, 3]);
  });

  test('of bases and the log by the window of what each copy has, and of no server that is gone from the primary store', async () => {
    const { primary, copy, env } = stack();
    const segmentOf = (n: number) => segmentName(1, BigInt(n * 2 ** 20), 2 ** 20);
    const { chain } = newChain(new Date('2026-01-01T00:00:00Z'), '744');
    const all: string[] = [];
    for (const server of ['db', 'gone']) {
      const put = (object: LogObject) => all.push(logKey('', object));
      put({ server, chain, kind: 'begun', cause: 'first', segmentBytes: 2 ** 20 });
      // a segment a day until the 30th, and a base on each tenth
      for (let day = 1; day <= 30; day += 1) {
        const at = new Date(Date.UTC(2026, 0, day, 12));
        put({ server, chain, kind: 'segment', segment: segmentOf(day), at, compression: 'none', encrypted: false });
        if (day % 10 > 0) continue;
        const stem = `base/2026/01/${day}/${server}_060000`;
        all.push(`${stem}.tar.gz`, `${stem}.json`);
        const lsn = { startLsn: formatLsn(BigInt(day * 2 ** 20)), endLsn: formatLsn(BigInt(day * 2 ** 20 + 100)) };
        const [startedAt, endedAt] = [`2026-01-${day}T06:00:00.000Z`, `2026-01-${day}T06:01:00.000Z`];
        const manifest = encodeBaseManifest({
          ...{ version: 1, kind: 'base', server, engine: 'postgres', chain, systemIdentifier: '744', timeline: 1 },
          ...{
            ...lsn,
            startedAt,
            endedAt,
            walSegmentBytes: 2 ** 20,
            serverVersion: '18.1',
            databases: [],
            tablespaces: [],
          },
          ...{ compression: 'gzip', encryption: null, rawBytes: 1 },
          objects: [{ name: `${server}_060000.tar.gz`, sizeBytes: 1, sha256: '0'.repeat(64), rawBytes: 1 }],
        });
        place(copy, `${stem}.json`, manifest);
      }
    }
    for (const key of all) if (!key.endsWith('.json')) place(copy, key, 'x');
    cpSync(join(copy, 'base'), join(primary, 'base'), { recursive: true });
    cpSync(join(copy, 'wal'), join(primary, 'wal'), { recursive: true });
    for (const name of filesIn(primary).filter((name) => /gone/.test(name))) rmSync(join(primary, name));

    const window = { ...env, PITR_WINDOW: '7d' };
    const goes = all.filter((key) => {
      const day = /_202601(\d\d)T12/.exec(key)?.[1] ?? /^base\/2026\/01\/(\d\d)/.exec(key)?.[1];
      return !key.includes('gone') && day !== undefined && Number(day) < 20;
    });
    assert.equal(goes.length, 21);
    const dry = await done('cleanup', ['--dry-run', '--json'], window);
    assert.deepEqual(filesIn(copy), [...all].sort());
    const { json, stderr } = await done('cleanup', ['--json'], window);
    assert.deepEqual(filesIn(copy), all.filter((key) => !goes.includes(key)).sort());
    assert.deepEqual(
      json.copies[0].logs.map(({ server, logObjects, remove }: { server: string; logObjects: number; remove: [] }) => [
        ...[server, logObjects, remove.length],
      ]),
      [['db', 19, 1]],
    );
    assert.deepEqual(dry.json.copies[0].logs, json.copies[0].logs);
    assert.match(
      stderr,
      /the primary store has nothing of the server gone any more: nothing of it is deleted from nas/,
    );
  });
});
