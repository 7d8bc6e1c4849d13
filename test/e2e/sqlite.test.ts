import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { assertOfOneMoment, makeDatabase, openSession, sqlite, startWriter } from '../support/sqlite.ts';
import { isRoot } from '../support/trees.ts';
import { UNPRIVILEGED, uploads } from '../support/uploads.ts';
import { done, runVerb } from '../support/verbs.ts';

const drilled = async (env: Record<string, string>) => {
  const { json, stderr } = await runVerb('drill', ['--json'], env);
  return {
    ok: json.results[0].ok as boolean,
    stderr,
    check: json.results[0].checks.find(({ name }: { name: string }) => name === 'SQLite databases'),
  };
};

describe('an SQLite database in a folder', { concurrency: 2 }, () => {
  test('that an application has open with all it committed in its log is whole in the backup, and its log is not in it', async () => {
    const { live, env } = uploads();
    const path = join(live, 'kuma.db');
    makeDatabase(path, 'wal');
    const session = await openSession(
      path,
      "PRAGMA wal_autocheckpoint=0; INSERT INTO orders (what) VALUES ('in the log'); INSERT INTO lines (order_id, amount) VALUES (2, 5);",
    );
    assert.ok(statSync(`${path}-wal`).size > 0);
    await backUp(env);
    await session.stop();
    const { json } = await done('restore', ['latest', '--to', 'beside', '--json'], env);
    assert.deepEqual(readdirSync(json.database), ['kuma.db']);
    assert.equal(assertOfOneMoment(join(json.database, 'kuma.db')), 2);
  });

  test('keeps its mode, time, owner and other name, and a file called as its log would be that is another one’s', {
    skip: !isRoot && 'wants root',
  }, async () => {
    const { live, env } = uploads();
    const path = join(live, 'grafana.db');
    makeDatabase(path, 'delete');
    linkSync(path, join(live, 'other name.db'));
    chownSync(path, 1234, 300_000_000);
    chmodSync(path, 0o640);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', path]);
    const { manifest } = await backUp(env);
    assert.deepEqual(manifest.owners?.find(({ owner }) => owner === '1234:300000000')?.entries, 2);
    const { json } = await done('restore', ['latest', '--to', 'beside', '--json'], env);
    const stat = statSync(join(json.database, 'grafana.db'));
    assert.deepEqual(
      [stat.uid, stat.gid, stat.mode & 0o777, stat.mtimeMs, stat.nlink],
      [1234, 300_000_000, 0o640, 1_600_000_000_000, 2],
    );
    assert.match(execFileSync('getfattr', ['-d', join(json.database, 'grafana.db')], { encoding: 'utf8' }), /kept/);
  });

  test('belongs in the archive to whom it belongs in the folder, whoever backs it up', {
    skip: !isRoot && 'wants root',
  }, async () => {
    const { live, backups, env } = uploads();
    const path = join(live, 'vault.db');
    makeDatabase(path, 'wal');
    writeFileSync(join(live, 'a'), 'x');
    for (const name of ['vault.db', 'a']) chownSync(join(live, name), 1234, 2_500_000_000);
    chmodSync(path, 0o644);
    chmodSync(env.DRILL_DIR ?? '', 0o777);
    const { json } = await done('backup', ['--json'], env, { through: UNPRIVILEGED });
    const listed = execFileSync(
      'bash',
      ['-c', `zstd -dc "$0" | tar --numeric-owner -tvf -`, join(backups, json.results[0].key)],
      { encoding: 'utf8' },
    );
    assert.equal(listed.match(/1234\/2500000000/g)?.length, 2, listed);
    const drill = await drilled(env);
    assert.equal(drill.ok, true, drill.stderr);
  });

  test('whose application was killed within a transaction is backed up as it was before that', async () => {
    const { live, env } = uploads();
    const path = join(live, 'app.db');
    makeDatabase(path, 'delete');
    const session = await openSession(
      path,
      'PRAGMA cache_size=1; BEGIN IMMEDIATE; DELETE FROM orders; UPDATE filler SET bytes = randomblob(4000);',
    );
    assert.ok(statSync(`${path}-journal`).size > 512, 'pages of the transaction are in the file');
    await session.stop('SIGKILL');
    const bytes = readFileSync(path);
    await backUp(env);
    assert.deepEqual(readFileSync(path), bytes, 'the backup puts nothing in order that is not its own');
    assert.ok(existsSync(`${path}-journal`));
    const { json } = await done('restore', ['latest', '--to', 'beside', '--json'], env);
    assert.deepEqual(readdirSync(json.database), ['app.db']);
    assert.equal(assertOfOneMoment(join(json.database, 'app.db')), 1);
  });

  test('that is locked for too long is named, and nothing is stored', async () => {
    const { live, backups, env } = uploads();
    makeDatabase(join(live, 'app.db'), 'delete');
    const session = await openSession(join(live, 'app.db'), 'BEGIN EXCLUSIVE;');
    const { code, json } = await runVerb('backup', ['--json'], { ...env, LOCK_TIMEOUT: '1s' });
    await session.stop();
    assert.equal(code, 1);
    assert.match(
      json.results[0].error,
      /the SQLite database app\.db was locked for longer than 1\.0s \(LOCK_TIMEOUT\)/,
    );
    assert.deepEqual(filesIn(backups), []);
    assert.deepEqual(readdirSync(env.DRILL_DIR ?? ''), []);
  });

  test('with a log that its application keeps to itself is whole in the backup', async () => {
    const { live, env } = uploads();
    makeDatabase(join(live, 'app.db'), 'wal');
    const sql =
      "PRAGMA locking_mode=EXCLUSIVE; BEGIN; INSERT INTO orders (what) VALUES ('x'); INSERT INTO lines (order_id, amount) VALUES (2, 5); COMMIT;";
    const session = await openSession(join(live, 'app.db'), sql);
    assert.throws(() => sqlite(join(live, 'app.db'), '.timeout 10\nSELECT count(*) FROM orders;'), /locked/);
    await backUp({ ...env, LOCK_TIMEOUT: '5s' });
    await session.stop();
    const { json } = await done('restore', ['latest', '--to', 'beside', '--json'], env);
    assert.equal(assertOfOneMoment(join(json.database, 'app.db')), 2);
  });

  test('that is broken is named by the backup and by the drill, and in it as far as it can be read', async () => {
    const { live, env } = uploads();
    makeDatabase(join(live, 'pages.db'), 'delete');
    const pages = readFileSync(join(live, 'pages.db'));
    const root = Number(sqlite(join(live, 'pages.db'), "SELECT rootpage FROM sqlite_master WHERE name = 'lines_of';"));
    writeFileSync(
      join(live, 'pages.db'),
      Buffer.concat([pages.subarray(0, (root - 1) * 4096), Buffer.alloc(4096, 0x77), pages.subarray(root * 4096)]),
    );
    writeFileSync(join(live, 'short.db'), pages.subarray(0, 1_000));
    const { manifest, stderr } = await backUp(env);
    assert.match(stderr, /pages\.db is an SQLite database that is broken/);
    assert.match(stderr, /short\.db is an SQLite database that is broken/);
    assert.deepEqual(
      manifest.sqlite?.map(({ path, problem }) => [path, problem !== undefined]),
      [
        ['pages.db', true],
        ['short.db', true],
      ],
    );
    const drill = await drilled(env);
    assert.equal(drill.ok, false);
    assert.match(drill.check.detail, /pages\.db: .*short\.db: .*It was so when it was backed up/s);
    const { json } = await done('restore', ['latest', '--to', 'beside', '--json'], env);
    assert.deepEqual(readFileSync(join(json.database, 'short.db')), pages.subarray(0, 1_000));
  });

  test('that is encrypted cannot be copied so, and is named', async () => {
    const { live, env } = uploads();
    makeDatabase(join(live, 'plain.db'), 'wal');
    const session = await openSession(
      join(live, 'plain.db'),
      "INSERT INTO orders (what) VALUES ('x'); INSERT INTO lines (order_id, amount) VALUES (2, 5);",
    );
    copyFileSync(join(live, 'plain.db-wal'), join(live, 'secret.bin-wal'));
    writeFileSync(join(live, 'secret.bin'), Buffer.alloc(8192, 0x5a));
    writeFileSync(join(live, 'named.sqlite'), Buffer.alloc(8192, 0x5a));
    const { stderr, manifest } = await backUp(env);
    await session.stop();
    assert.match(stderr, /named\.sqlite, secret\.bin: SQLite databases by their names.*encrypted or broken/);
    assert.deepEqual(
      manifest.sqlite?.map(({ path }) => path),
      ['plain.db'],
    );
    const drill = await drilled(env);
    assert.equal(drill.ok, true, drill.stderr);
  });

  test('that is the whole source is backed up in the same way', async () => {
    const { data, env } = uploads();
    const path = join(data, 'vault.db');
    makeDatabase(path, 'wal');
    const of = { ...env, BACKUP_SOURCE_UPLOADS: `file://${path}` };
    const writer = await startWriter(path);
    const before = writer.orders();
    const { manifest } = await backUp(of);
    await writer.stop();
    assert.deepEqual([manifest.isFolder, manifest.sqlite?.length], [false, 1]);
    const drill = await drilled(of);
    assert.deepEqual([drill.ok, drill.check?.ok], [true, true], drill.stderr);
    const { json } = await done('restore', ['latest', '--to', 'beside.db', '--json'], of);
    assert.ok(assertOfOneMoment(json.database) >= before);
  });

  test('whose copy has no room is refused before anything is stored, and what a killed run left of copies is removed', {
    skip: !isRoot && 'wants root',
  }, async () => {
    const { live, backups, env } = uploads();
    makeDatabase(join(live, 'app.db'), 'delete');
    mkdirSync(join(env.DRILL_DIR ?? '', 'sqlite-copies-left'));
    await backUp(env);
    assert.deepEqual(readdirSync(env.DRILL_DIR ?? ''), []);
    const small = temporaryFolder();
    const through = ['unshare', '--mount', 'bash', '-c', 'mount -t tmpfs -o size=100k none "$0" && exec "$@"', small];
    const before = filesIn(backups);
    const { code, json } = await runVerb('backup', ['--json'], { ...env, DRILL_DIR: small }, { through });
    assert.equal(code, 1);
    assert.match(
      json.results[0].error,
      /has 1\d\d\.\d KiB free; copies of its 1 SQLite databases need up to .* until the backup has ended/,
    );
    assert.deepEqual(filesIn(backups), before);
  });

  test('is not asked for sqlite3 where there is none, and the program is asked for where there is one', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    const bin = temporaryFolder();
    for (const folder of (process.env.PATH ?? '').split(':').filter(existsSync))
      for (const name of readdirSync(folder))
        if (name !== 'sqlite3' && !existsSync(join(bin, name))) symlinkSync(join(folder, name), join(bin, name));
    const without = { ...env, PATH: bin };
    await done('backup', [], without);
    makeDatabase(join(live, 'app.db'), 'delete');
    const { code, json } = await runVerb('backup', ['--json'], without);
    assert.equal(code, 1);
    assert.match(json.results[0].error, /copied and checked by sqlite3, which is not installed/);
  });
});
