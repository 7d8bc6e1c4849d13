import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { filesIn } from '../support/folders.ts';
import { folderOf } from '../support/log.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(WITH_LOG, ['host replication all 127.0.0.1/32 trust']);
const log = missing ? undefined : await takeLog(postgres);

describe('bases and the log in every store', { skip: missing }, () => {
  if (!log) return;
  const database = postgres.freshName();
  const copy = folderOf('copy-of-a-log');
  // what was seen of copies is noted here
  const notes = folderOf('notes');
  const env = () => ({ ...log.env(database), DRILL_DIR: notes, COPY_NAS: `file://${copy}` });
  const verify = (words: readonly string[] = []) => runVerb('verify', ['--json', ...words], env());
  let archive = '';
  let part = '';

  before(async () => {
    await postgres.create(database, 'empty');
    await log.base();
    await postgres.sql(database, 'create table ledger as select generate_series(1, 1000) as n');
    await log.take();
    await postgres.sql(database, 'insert into ledger values (0)');
    await log.take();
    await log.stop();
    await done('backup', [], env());
    await done('copy', [], env());
    archive = filesIn(copy).find((name) => /^base\/.*\.tar\.zst$/.test(name)) ?? '';
    part = filesIn(copy).find((name) => /^wal\/.*\.gz$/.test(name)) ?? '';
    assert.ok(archive !== '' && part !== '', filesIn(copy).join('\n'));
  });

  const flip = (path: string, bytes: Buffer) => {
    const flipped = Buffer.from(bytes);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 0xff;
    writeFileSync(path, flipped);
  };
  const harms: [string, () => string, (path: string, bytes: Buffer) => void][] = [
    ['a base with a byte changed', () => archive, flip],
    ['a base whose archive is gone', () => archive, (path) => rmSync(path)],
    ['an object of the log with a byte changed', () => part, flip],
    ['one that was cut short', () => part, (path, bytes) => truncateSync(path, bytes.length - 20)],
  ];

  test('are read back, and are whole', async () => {
    const { code, json, stderr } = await verify();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /nas: 1 of 1 backups, 1 bases and \d+ objects of the log read back/);
    assert.ok(json.stores.every(({ damaged }: { damaged: unknown[] }) => damaged.length === 0));
  });

  for (const [what, key, harm] of harms) {
    test(`${what} in a copy is found, makes status red, and is forgotten once it is whole`, async () => {
      const path = join(copy, key());
      const bytes = readFileSync(path);
      harm(path, bytes);
      const found = await verify(['--all']);
      assert.equal(found.code, 1, found.stderr);
      const named = key().replace(/\.tar\.zst$/, '.json');
      const [primary, nas] = found.json.stores;
      assert.deepEqual([primary.ok, nas.damaged.map((each: { key: string }) => each.key)], [true, [named]]);
      const red = await runVerb('status', ['--json'], env());
      assert.equal(red.code, 3, red.stderr);
      assert.ok(red.stdout.includes(`${named} was damaged when it was read back`), red.stdout);
      writeFileSync(path, bytes);
      const again = await verify();
      assert.equal(again.code, 0, again.stderr);
      const { json } = await runVerb('status', ['--json'], env());
      assert.ok(!JSON.stringify(json).includes('was damaged'), JSON.stringify(json.copies));
    });
  }

  test('of another size in a copy are named by copy, and a base that is not whole is not copied', async () => {
    const path = join(copy, part);
    const bytes = readFileSync(path);
    truncateSync(path, bytes.length - 20);
    const differing = await runVerb('copy', ['--json'], env());
    assert.equal(differing.code, 1, differing.stderr);
    assert.deepEqual(differing.json.copies[0].differing, [part]);
    writeFileSync(path, bytes);
    const empty = folderOf('another-copy');
    const own = join(log.store, archive);
    const whole = readFileSync(own);
    rmSync(own);
    const lacking = await runVerb('copy', ['--json'], {
      ...log.env(database),
      DRILL_DIR: notes,
      COPY_OTHER: `file://${empty}`,
    });
    writeFileSync(own, whole);
    assert.equal(lacking.code, 1, lacking.stderr);
    assert.ok(lacking.stderr.includes(archive), lacking.stderr);
    assert.deepEqual(
      filesIn(empty).filter((name) => name.startsWith('base/')),
      [],
    );
  });

  test('a base is not held, and what keeps it is said', async () => {
    const base = archive.replace(/\.tar\.zst$/, '.json');
    const refused = await runVerb('hold', [base, '--why', 'audit'], env());
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /is a base, and only backups can be held\n.*PITR_WINDOW/);
  });

  test('of a copy alone are listed as they are there, also while the primary store is away', async () => {
    const there = join(copy, archive.replace(/\.tar\.zst$/, '.json'));
    const bytes = readFileSync(there);
    rmSync(there);
    const bases = async (words: readonly string[]) =>
      (await done('list', ['--pitr', '--json', ...words], env())).json.servers[0].bases.length;
    assert.deepEqual([await bases([]), await bases(['--from', 'nas'])], [1, 0]);
    writeFileSync(there, bytes);
    const gone = { ...env(), BACKUP_DIR: join(notes, 'not-mounted') };
    const listed = await runVerb('list', ['--from', 'nas'], gone);
    assert.equal(listed.code, 0, listed.stderr);
    assert.match(listed.stdout, /any second from .*\n.*base\/.*json/);
    const refused = await runVerb('list', [], gone);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /read from the copy alone: FROM=nas/);
  });
});
