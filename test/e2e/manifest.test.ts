import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

async function backUp(database: string, more: Record<string, string> = {}) {
  const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), ...more };
  const outcome = await done('backup', ['--json'], env);
  const [result] = outcome.json.results;
  const path = join(env.BACKUP_DIR, result.key);
  const manifest = JSON.parse(readFileSync(path.replace(/\.(sql|dump)[.a-z]*$/, '.json'), 'utf8'));
  return { env, result, path, manifest, outcome };
}

describe('the manifest', { skip: missing, concurrency: 2 }, () => {
  test('says what was dumped, of what, by what', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const { manifest, result } = await backUp(database);
    const { version, source, engine, kind, format, compression, encryption } = manifest;
    assert.deepEqual(
      { version, source, engine, kind, format, compression, encryption, database: manifest.database },
      {
        version: 1,
        source: database,
        engine: 'postgres',
        kind: 'backup',
        format: 'sql',
        compression: 'gzip',
        encryption: null,
        database,
      },
    );
    assert.ok(manifest.serverVersion.startsWith(postgres.version), manifest.serverVersion);
    assert.match(manifest.clientVersion, /^\d+(\.\d+)?$/);
    assert.equal(manifest.encoding, 'UTF8');
    assert.equal(manifest.collation, 'C.UTF-8');
    assert.equal(manifest.characterType, 'C.UTF-8');
    assert.deepEqual(
      manifest.extensions.map(({ name }: { name: string }) => name),
      ['hstore', 'plpgsql'],
    );
    assert.ok(manifest.databaseBytes > 5_000_000, String(manifest.databaseBytes));
    const times = [manifest.startedAt, manifest.createdAt, manifest.finishedAt].map((time) => new Date(time).getTime());
    assert.ok((times[0] ?? 0) - 1_000 <= (times[1] ?? 0) && (times[1] ?? 0) <= (times[2] ?? 0), times.join());
    const [day, time] = manifest.createdAt.slice(0, 19).split('T');
    assert.equal(result.key, `${day.replaceAll('-', '/')}/${database}_${time.replaceAll(':', '')}.sql.gz`);
  });

  test('counts every table, partition and large object, each once', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const { manifest } = await backUp(database);
    assert.deepEqual(manifest.tables, [
      { table: '"Back Office"."Notes; drop table x"', rows: 30 },
      { table: 'public.audit_log', rows: 3 },
      { table: 'public.customers', rows: 200 },
      { table: 'public.empty_table', rows: 0 },
      { table: 'public.measurements_2025', rows: 31 },
      { table: 'public.measurements_2026_one', rows: 23 },
      { table: 'public.measurements_2026_rest', rows: 46 },
      { table: 'public.no_columns', rows: 2 },
      { table: 'public.orders', rows: 490 },
      { table: 'public.sessions', rows: 25 },
      { table: 'public.trucks', rows: 1 },
      { table: 'public.vehicles', rows: 2 },
    ]);
    assert.equal(manifest.largeObjects, 6);
    assert.deepEqual(manifest.sequences, [
      { sequence: 'public.audit_log_id_seq', value: '3', isCalled: true },
      { sequence: 'public.customers_id_seq', value: '200', isCalled: true },
      { sequence: 'public.downwards', value: '97', isCalled: true },
      { sequence: 'public.invoice_numbers', value: '4711', isCalled: true },
      { sequence: 'public.never_called', value: '1', isCalled: false },
      { sequence: 'public.orders_id_seq', value: '500', isCalled: true },
    ]);
  });

  for (const [format, compression, unpack] of [
    ['sql', 'gzip', 'gunzip -c'],
    ['sql', 'zstd:3', 'zstd -dcq'],
    ['sql', 'none', 'cat'],
    ['custom', 'gzip', 'cat'],
  ] as const) {
    test(`holds the size and digest of the stored bytes, and the size of the dump: ${format}, ${compression}`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const { manifest, path, result } = await backUp(database, {
        BACKUP_FORMAT: format,
        BACKUP_COMPRESSION: compression,
      });
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
      assert.deepEqual(manifest.objects[0], { name: basename(path), sizeBytes: statSync(path).size, sha256 });
      const raw = execFileSync('bash', ['-c', `${unpack} "$1" | wc -c`, '-', path], { encoding: 'utf8' });
      assert.equal(manifest.rawBytes, Number(raw));
      assert.equal(result.rawBytes, manifest.rawBytes);
      assert.equal(result.sizeBytes, statSync(path).size);
    });
  }

  test('is refused at the restore when a count in it is not what the dump restores to', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const { env, path, manifest, result } = await backUp(database);
    const before = await postgres.fingerprint(database);
    for (const [change, message] of [
      [{ tables: [{ table: 'public.customers', rows: 201 }] }, /public\.customers has 200 rows, expected 201/],
      [{ tables: [{ table: 'public.gone', rows: 3 }] }, /public\.gone is missing \(3 rows expected\)/],
      [{ largeObjects: 7 }, /6 large objects, expected 7/],
      [
        { sequences: [{ sequence: 'public.invoice_numbers', value: '4718', isCalled: true }] },
        /public\.invoice_numbers stands at 4711, expected 4718/,
      ],
    ] as const) {
      writeFileSync(path.replace('.sql.gz', '.json'), JSON.stringify({ ...manifest, ...change }));
      const restore = await runVerb('restore', [result.key, '--json'], env);
      assert.equal(restore.code, 1);
      assert.equal(restore.json.error.code, 'RESTORE_FAILED');
      assert.match(restore.stderr, message);
      assert.deepEqual(await postgres.fingerprint(database), before);
      assert.deepEqual(await postgres.beside(database), [database]);
    }
  });

  for (const [title, text] of [
    ['is no JSON', '{"version": 1'],
    ['is empty', ''],
    ['is of a later version', '{"version": 2}'],
    ['does not list the object', undefined],
  ] as const) {
    test(`is refused at the restore when it ${title}, and the live database stays`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const { env, path, manifest, result } = await backUp(database);
      const before = await postgres.fingerprint(database);
      const other = { ...manifest, objects: [{ ...manifest.objects[0], name: 'other.sql.gz' }] };
      writeFileSync(path.replace('.sql.gz', '.json'), text ?? JSON.stringify(other));
      const restore = await runVerb('restore', [result.key, '--json'], env);
      assert.equal(restore.code, 1, restore.stderr);
      assert.equal(restore.json.error.code, 'BACKUP_DAMAGED');
      assert.match(restore.json.error.message, /manifest/);
      assert.deepEqual(await postgres.fingerprint(database), before);
      assert.deepEqual(await postgres.beside(database), [database]);
    });
  }
});
