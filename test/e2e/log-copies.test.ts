import assert from 'node:assert/strict';
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { filesIn } from '../support/folders.ts';
import { folderOf } from '../support/log.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(WITH_LOG, ['host replication all 127.0.0.1/32 trust']);
const log = missing ? undefined : await takeLog(postgres);

describe('what the primary store has lost or damaged of a log and its base is read from a copy', {
  skip: missing,
}, () => {
  if (!log) return;
  const database = postgres.freshName();
  const open = (name: string) => {
    const folder = folderOf(name);
    // a server runs as another user where this is root
    chmodSync(folder, 0o777);
    return folder;
  };
  const drills = open('drills');
  const copy = folderOf('copy-of-a-log');
  const env = () => ({ ...log.env(database), COPY_NAS: `file://${copy}`, DRILL_DIR: drills });
  let good = '';
  let part = '';
  let base = '';
  let archive = '';

  before(async () => {
    await postgres.create(database, 'empty');
    await postgres.sql(database, 'create table ledger (n int primary key)');
    base = await log.base();
    for (let n = 0; n < 3; n += 1) {
      await postgres.sql(database, `insert into ledger select generate_series(${n * 10 + 1}, ${n * 10 + 10})`);
      await log.take();
    }
    good = await log.now();
    await postgres.sql(database, 'drop table ledger');
    // what names tell of a moment is to the second
    await sleep(1_100);
    await log.take();
    await log.stop();
    // a copy is drilled once it holds a backup
    await done('backup', [], env());
    await done('copy', [], env());
    const files = filesIn(log.store);
    const parts = files.filter((name) => name.startsWith(`wal/127.0.0.1/${log.chain}`) && name.endsWith('.gz'));
    part = parts.at(-3) ?? '';
    archive = files.find((name) => /^base\/.*\.tar\.zst$/.test(name)) ?? '';
    assert.ok(part !== '' && archive !== '', files.join('\n'));
  });

  /** Does harm to an object of the primary store for as long as the work takes. */
  async function harmed<T>(
    key: string,
    harm: (path: string, bytes: Buffer) => void,
    work: () => Promise<T>,
  ): Promise<T> {
    const path = join(log?.store ?? '', key);
    const bytes = readFileSync(path);
    harm(path, bytes);
    return work().finally(() => writeFileSync(path, bytes));
  }
  const flip = (path: string, bytes: Buffer) => {
    const flipped = Buffer.from(bytes);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 0xff;
    writeFileSync(path, flipped);
  };
  const cut = (path: string, bytes: Buffer) => writeFileSync(path, bytes.subarray(0, -20));
  const harms: [string, () => string, (path: string, bytes: Buffer) => void][] = [
    ['an object of the log that is missing', () => part, (path) => rmSync(path)],
    ['one that was cut short', () => part, cut],
    ['one with a byte changed', () => part, flip],
    [
      'one with a record changed, packed again',
      () => part,
      (path, bytes) => writeFileSync(path, gzipSync(Buffer.from(gunzipSync(bytes)).fill(0x5a, 200, 260))),
    ],
    ['a base with a byte changed', () => archive, flip],
    ['a base whose archive is missing', () => archive, (path) => rmSync(path)],
    ['a base whose manifest was cut short', () => base, cut],
  ];

  for (const [what, key, harm] of harms) {
    test(`${what}: a moment is restored all the same, and it is said`, async () => {
      const to = postgres.freshName();
      const restored = await harmed(key(), harm, () => runVerb('restore', ['--at', good, '--to', to], env()));
      assert.equal(restored.code, 0, restored.stderr);
      const [{ n }] = await postgres.sql(to, 'select count(*)::int as n from ledger');
      assert.equal(n, 30);
      assert.match(restored.stderr, /reading it from nas/);
      assert.ok(restored.stderr.includes(key()), restored.stderr);
    });
  }

  test('a whole server too, from both stores or from the copy alone', async () => {
    const fresh = () => join(open('server'), 'data');
    const both = () => runVerb('restore-server', ['--into', fresh(), '--json'], env());
    const restored = await harmed(archive, flip, () => harmed(part, (path) => rmSync(path), both));
    assert.equal(restored.code, 0, restored.stderr);
    for (const key of [part, archive]) assert.ok(restored.stderr.includes(key), restored.stderr);

    const away = `${log.store}-away`;
    renameSync(join(log.store, 'wal'), away);
    const words = ['--into', fresh(), '--from', 'nas', '--json'];
    const alone = await runVerb('restore-server', words, env()).finally(() => renameSync(away, join(log.store, 'wal')));
    assert.equal(alone.code, 0, alone.stderr);
    assert.equal(alone.json.key, base);
    const unknown = await runVerb('restore-server', ['--into', '/nowhere', '--from', 'elsewhere'], env());
    assert.equal(unknown.code, 2, unknown.stderr);
    assert.match(unknown.stderr, /there is no copy "elsewhere"/);
  });

  test('the drill of the primary store fails all the same and names it; that of the copy passes', async () => {
    const drill = await harmed(part, flip, () => runVerb('drill', ['--json'], env()));
    assert.equal(drill.code, 1, drill.stderr);
    const servers = drill.json.results.filter(({ source }: { source: string }) => source === 'server:127.0.0.1');
    assert.deepEqual(
      servers.map(({ store, ok }: { store: string; ok: boolean }) => [store, ok]),
      [
        ['primary', false],
        ['nas', true],
      ],
      JSON.stringify(servers),
    );
    assert.ok(JSON.stringify(servers[0].checks).includes(part), JSON.stringify(servers[0].checks));
  });
});
