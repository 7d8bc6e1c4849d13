import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

const FORMATS = {
  sql: ['.sql.gz', '.sql.zst', '.sql'],
  custom: ['.dump', '.dump', '.dump'],
  folder: ['/', '/', '/'],
} as const;
const COMPRESSIONS = [
  ['gzip', 0],
  ['gzip:6', 0],
  ['gzip:1', 0],
  ['zstd', 1],
  ['zstd:3', 1],
  ['none', 2],
] as const;

describe('a backup and its restore', { skip: missing, concurrency: 3 }, () => {
  for (const [format, endings] of Object.entries(FORMATS)) {
    for (const [compression, ending] of COMPRESSIONS) {
      test(`bring back every row and every object: ${format}, ${compression}`, async () => {
        const database = postgres.freshName();
        await postgres.create(database);
        const folder = temporaryFolder();
        const env = {
          ...postgres.env(database),
          BACKUP_DIR: folder,
          BACKUP_FORMAT: format,
          BACKUP_COMPRESSION: compression,
        };
        const [contents, dump] = [await postgres.contents(database), await postgres.dump(database)];

        const backup = await runVerb('backup', ['--json'], env);
        if (format === 'custom' && compression.startsWith('zstd') && Number.parseInt(postgres.version, 10) < 16) {
          assert.equal(backup.code, 1);
          assert.match(backup.stderr, /cannot write custom-format archives with zstd\. Use BACKUP_COMPRESSION=gzip/);
          assert.deepEqual(filesIn(folder), []);
          return;
        }
        assert.equal(backup.code, 0, backup.stderr);
        const { key } = backup.json.results[0];
        assert.ok(key.endsWith(endings[ending]), key);
        await postgres.sql(
          database,
          `truncate customers cascade; drop table vehicles cascade; select lo_unlink(50001);
           select setval('invoice_numbers', 1); refresh materialized view revenue; create table stray ();`,
        );
        assert.notDeepEqual(await postgres.contents(database), contents);

        const restore = await done('restore', [key, '--json'], env);
        assert.deepEqual(await postgres.contents(database), contents);
        assert.equal(await postgres.dump(database), dump);
        assert.equal(restore.json.tables, 12);
        assert.equal(restore.json.rows, 200 + 490 + 30 + 100 + 3 + 25 + 2 + 3);
      });
    }
  }

  for (const [compression, command] of [
    ['gzip', 'gunzip -c'],
    ['zstd', 'zstd -dcq'],
    ['none', 'cat'],
  ] as const) {
    test(`need no help from us: ${command} into psql restores a ${compression} backup without an error`, async () => {
      const [database, other] = [postgres.freshName(), postgres.freshName()];
      await postgres.create(database);
      await postgres.create(other, 'empty');
      const folder = temporaryFolder();
      const env = { ...postgres.env(database), BACKUP_DIR: folder, BACKUP_COMPRESSION: compression };
      const backup = await done('backup', ['--json'], env);
      const connection = `--host=${postgres.host} --port=${postgres.port} --username=${postgres.user} ${other}`;
      // also what psql only warns of
      const said = execFileSync(
        'bash',
        [
          '-o',
          'pipefail',
          '-c',
          `${command} "$1" | psql --no-psqlrc --set=ON_ERROR_STOP=1 --output=/dev/null ${connection} 2>&1`,
          '-',
          join(folder, backup.json.results[0].key),
        ],
        { encoding: 'utf8' },
      );
      assert.equal(said, '');
      assert.deepEqual(await postgres.contents(other), await postgres.contents(database));
      assert.equal(await postgres.dump(other), await postgres.dump(database));
    });
  }

  test('leave nothing in the storage but the dump, what it needs of the server, and the manifest, for the owner alone to read', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const { json } = await runVerb('backup', ['--json'], { ...postgres.env(database), BACKUP_DIR: folder });
    const { key } = json.results[0];
    assert.deepEqual(filesIn(folder), [
      key.replace('.sql.gz', '.globals.sql.gz'),
      key.replace('.sql.gz', '.json'),
      key,
    ]);
    const modes = execFileSync('stat', ['-c', '%a', ...filesIn(folder)], { cwd: folder, encoding: 'utf8' });
    assert.equal(modes, '600\n600\n600\n');
    assert.doesNotThrow(() => JSON.parse(readFileSync(join(folder, key.replace('.sql.gz', '.json')), 'utf8')));
  });

  test('are of one state, though a client writes all the time', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    await postgres.sql(
      database,
      `create table ledger (id bigserial primary key, half integer); create table mirror (id bigint references ledger);
       create table gate ()`,
    );
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    const writer = await postgres.connect(database);
    let isWriting = true;
    let written = 0;
    const writing = (async () => {
      while (isWriting) {
        await writer.query(
          'with l as (insert into ledger (half) values (1) returning id) insert into mirror select id from l',
        );
        written += 1;
      }
    })();
    // the dump waits for this lock after its snapshot was taken: something is written while it is under way for sure
    const keeper = await postgres.connect(database);
    await keeper.query('begin; lock table gate');
    const running = runVerb('backup', ['--json'], env);
    await until('the dump waits', async () => {
      const waiting = await postgres.sql(
        database,
        "select from pg_locks where relation = 'gate'::regclass and not granted",
      );
      return waiting.length > 0 || undefined;
    });
    const writtenBefore = written;
    await until('more is written', async () => written > writtenBefore + 10 || undefined);
    await keeper.end();
    const backup = await running;
    isWriting = false;
    await writing;
    await writer.end();
    assert.equal(backup.code, 0, backup.stderr);
    const { key } = backup.json.results[0];
    const manifest = JSON.parse(readFileSync(join(env.BACKUP_DIR, key.replace('.sql.gz', '.json')), 'utf8'));
    const counted = Object.fromEntries(
      manifest.tables.map(({ table, rows }: { table: string; rows: number }) => [table, rows]),
    );
    assert.ok(counted['public.ledger'] > 0 && counted['public.ledger'] < written, JSON.stringify(counted));
    assert.equal(counted['public.mirror'], counted['public.ledger']);
    const sequence = manifest.sequences.find((s: { sequence: string }) => s.sequence === 'public.ledger_id_seq');
    assert.equal(sequence.valueAtEnd, undefined, JSON.stringify(sequence));

    await done('restore', [key, '--json'], env);
    const [restored] = await postgres.sql(
      database,
      `select (select count(*)::int from ledger) as ledger, (select count(*)::int from mirror) as mirror,
         (select last_value::int from ledger_id_seq) as sequence, (select max(id)::int from ledger) as highest`,
    );
    assert.equal(restored.ledger, counted['public.ledger']);
    assert.equal(restored.mirror, counted['public.mirror']);
    assert.ok(restored.sequence >= restored.highest, 'the next id would be one that is taken');
    assert.equal(restored.sequence, Number(sequence.value), 'the position is read from the dump itself');
  });
});
