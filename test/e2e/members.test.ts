import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { ageKeyPair, backUp, type Taken } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { DEFINITIONS, IN_ORDER, OF_THE_DATABASE, ROLES, SETTINGS, VALUES } from '../support/odd-objects.ts';
import { startPostgres } from '../support/postgres.ts';
import { startS3Double } from '../support/s3-double.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Two tables with a member each, one by the name that a dump spells in two lines, and what makes the database worth it. */
const LARGE = `
  create schema wide;
  create table wide."two
lines" (id int primary key, "text, (odd)" text);
  insert into wide."two
lines" select n, md5(n::text) || E'\\n\\\\.\\n' from generate_series(1, 150000) n;
  create table wide.events (id int primary key, body text);
  insert into wide.events select n, repeat(md5(n::text), 4) from generate_series(1, 120000) n;
  create index on wide.events (body);
  create table wide.ages (event int references wide.events, at timestamptz default '2026-01-02');
  insert into wide.ages select n from generate_series(1, 100) n;
  select lo_from_bytea(0, 'large');`;

/** A database worth several members, with all that is odd or without. */
async function large(content: 'odd' | 'plain' = 'plain'): Promise<string> {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  const inIt = (sql: string) => postgres.sql(database, sql.replaceAll(/\bDB\b/g, database));
  if (content === 'odd') {
    await postgres.sql('postgres', ROLES);
    await postgres.sql('postgres', SETTINGS.replaceAll(/\bDB\b/g, database));
    for (const { make } of Object.values({ ...VALUES, ...DEFINITIONS, ...OF_THE_DATABASE })) await inIt(make);
    await inIt(IN_ORDER);
  }
  await inIt(LARGE);
  return database;
}

let plain: Promise<string> | undefined;

/** One that nothing writes to, for those who restore beside it. */
function unchanged(): Promise<string> {
  plain ??= large();
  return plain;
}

async function environment(more: Environment = {}): Promise<Record<string, string>> {
  return { ...postgres.env(await unchanged()), BACKUP_DIR: temporaryFolder(), ...more };
}

let backup: Promise<{ env: Record<string, string>; taken: Taken }> | undefined;

/** A backup of it, taken once. */
function backedUp() {
  backup ??= (async () => {
    const env = await environment();
    return { env, taken: await backUp(env) };
  })();
  return backup;
}

const membersIn = ({ objects }: Manifest) => objects[0]?.members ?? [];

/** Definitions, in any order. Rows are compared by the restore: columns that a parent got later come in another order. */
const definitions = (dump: string) =>
  dump
    .replaceAll(/^COPY [\s\S]*?^\\\.$/gm, '')
    .split('\n')
    .filter((line) => !line.startsWith('--'))
    .sort();

describe('a backup in one object whose parts are restored side by side', { skip: missing }, () => {
  test('comes back as it was, whatever is in it, and is proved by a drill', async () => {
    const database = await large('odd');
    const before = await postgres.dump(database);
    const DRILL_DIR = temporaryFolder();
    chmodSync(DRILL_DIR, 0o755);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), DRILL_DIR, BACKUP_JOBS: '2' };
    const { key, manifest } = await backUp(env);
    const members = membersIn(manifest);
    assert.ok(members.filter(({ tables }) => tables?.length === 1).length >= 2, JSON.stringify(members));
    assert.ok(members.some(({ inOrder }) => inOrder === 'last'));
    assert.equal(
      members.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
      manifest.rawBytes,
    );
    // whoever knows nothing of members reads one dump
    const text = execFileSync('gunzip', ['-c', join(env.BACKUP_DIR, key)], { maxBuffer: 1 << 28 });
    assert.equal(text.length, manifest.rawBytes);
    assert.equal(text.toString('latin1').match(/^-- PostgreSQL database dump complete$/gm)?.length, 1);

    const drill = await done('drill', [], env);
    assert.match(drill.stderr, /passed, equal: /);
    await done('restore', ['latest', '--compare'], env);
    assert.deepEqual(definitions(await postgres.dump(database)), definitions(before));
  });

  for (const compression of ['gzip', 'zstd', 'none'])
    test(`loads large tables frozen, in the order of their rows (${compression})`, async () => {
      const env = await environment({ BACKUP_COMPRESSION: compression });
      const { key } = await backUp(env);
      const copy = `${postgres.freshName()}copy`;
      await done('restore', [key, '--to', copy, '--compare'], env);
      const [{ pages, visible, ordered }] = await postgres.sql(
        copy,
        `select relpages as pages, relallvisible as visible,
           (select bool_and(id = place) from (select id, row_number() over (order by ctid) as place from wide.events) e) as ordered
         from pg_class where oid = 'wide.events'::regclass`,
      );
      assert.ok(pages > 1000);
      // a server of version 16 and newer makes some pages in advance
      assert.ok(visible > 0.9 * pages, `${visible} of ${pages} pages`);
      assert.equal(ordered, true);
    });

  test('is read in parts where a table is picked out of it: those of other tables are not asked for', async () => {
    const double = await startS3Double();
    after(() => double.stop());
    const env = await inStore(double);
    const { json } = await done('backup', ['--json'], env);
    const dump = json.results[0].key as string;
    const stored = double.objects.get(dump)?.sizeBytes ?? 0;
    assert.ok(stored > 0);
    const first = double.requests.length;
    const copy = `${postgres.freshName()}picked`;
    await done('restore', ['latest', '--table', 'wide.ages', '--to', copy], env);
    assert.deepEqual(await postgres.sql(copy, 'select count(*)::int as n from wide.ages'), [{ n: 100 }]);
    const read = double.requests
      .slice(first)
      .filter(({ operation, key }) => operation === 'GetObject' && key === dump)
      .map(({ headers }) => /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [])
      .reduce((sum, [, from, to]) => sum + Math.min(Number(to) + 1, stored) - Number(from), 0);
    assert.ok(read < stored / 2, `${read} of ${stored} bytes were read`);
  });

  test('is restored by one session from a store that gives whole objects alone, which is said', async () => {
    const double = await startS3Double({ rangesIgnored: true });
    after(() => double.stop());
    const env = await inStore(double);
    await done('backup', [], env);
    const copy = `${postgres.freshName()}copy`;
    const { stderr } = await done('restore', ['latest', '--to', copy, '--compare'], env);
    assert.match(stderr, /restored in one piece, by one session: could not read .*all of it came/);
  });

  test('and is of one part where it is small or encrypted, and then says nothing of parts', async () => {
    const { identity, recipient } = ageKeyPair();
    const encrypted = await environment({ BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: identity });
    const sealed = await backUp(encrypted);
    assert.equal(sealed.manifest.objects[0]?.members, undefined);
    await done('restore', [sealed.key, '--to', `${postgres.freshName()}copy`], encrypted);

    const small = postgres.freshName();
    await postgres.create(small);
    const { manifest } = await backUp({ ...postgres.env(small), BACKUP_DIR: temporaryFolder() });
    assert.equal(manifest.objects[0]?.members, undefined);
  });
});

async function inStore(double: Awaited<ReturnType<typeof startS3Double>>): Promise<Record<string, string>> {
  return {
    ...postgres.env(await unchanged()),
    S3_ENDPOINT: double.settings.endpoint ?? '',
    S3_BUCKET: double.settings.bucket,
    S3_ACCESS_KEY: double.settings.accessKey ?? '',
    S3_SECRET_KEY: double.settings.secretKey ?? '',
  };
}

describe('nothing live is touched, and what is wrong is named, when of such a backup', { skip: missing }, () => {
  const DAMAGES: readonly (readonly [string, (path: string, manifest: Manifest) => void, RegExp])[] = [
    [
      'a byte of a part is another',
      (path, manifest) => {
        const bytes = readFileSync(path);
        const { offset = 0, sizeBytes = 0 } = membersIn(manifest).find(({ tables }) => tables?.length === 1) ?? {};
        const at = offset + Math.floor(sizeBytes / 2);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
      /is (damaged|not what was stored)/,
    ],
    [
      'the last part is cut',
      (path, manifest) => truncateSync(path, (manifest.objects[0]?.sizeBytes ?? 0) - 5),
      /is not what was stored: its part at byte \d+ has \d+ bytes, the manifest says \d+|is damaged/,
    ],
    [
      'all behind the first part is gone',
      (path, manifest) => truncateSync(path, membersIn(manifest)[1]?.offset ?? 0),
      /is not what was stored: its part at byte \d+ has 0 bytes/,
    ],
    [
      'something stands behind the last part',
      (path) => appendFileSync(path, readFileSync(path).subarray(0, 100)),
      /is not what was stored: its part at byte \d+|is damaged/,
    ],
    [
      'two parts of the manifest are exchanged',
      (path) => change(path, (members) => members.splice(1, 2, ...members.slice(1, 3).toReversed())),
      /the manifest's parts of .* are not all of it/,
    ],
    [
      'a part is missing in the manifest',
      (path) => change(path, (members) => members.splice(-2, 1)),
      /the manifest's parts of .* are not all of it/,
    ],
    [
      'a part has another length than the manifest says',
      (path) => change(path, ([, second]) => second && Object.assign(second, { rawBytes: second.rawBytes + 1 })),
      /its part at byte \d+ has \d+ bytes of the dump, the manifest says \d+/,
    ],
  ];

  function change(path: string, how: (members: NonNullable<Manifest['objects'][number]['members']>) => unknown): void {
    const beside = path.replace(/\.sql\.gz$/, '.json');
    const manifest = JSON.parse(readFileSync(beside, 'utf8')) as Manifest;
    how(manifest.objects[0]?.members ?? []);
    writeFileSync(beside, JSON.stringify(manifest));
  }

  for (const [what, damage, says] of DAMAGES)
    test(what, async () => {
      const whole = await backedUp();
      const env: Record<string, string> & { BACKUP_DIR: string } = { ...whole.env, BACKUP_DIR: temporaryFolder() };
      cpSync(whole.env.BACKUP_DIR ?? '', env.BACKUP_DIR, { recursive: true });
      const { key, manifest } = whole.taken;
      damage(join(env.BACKUP_DIR, key), manifest);
      const database = env.POSTGRES_DB ?? '';
      const oid = () => postgres.sql('postgres', 'select oid from pg_database where datname = $1', [database]);
      const before = await oid();
      const { code, stderr } = await runVerb('restore', [key], env);
      assert.equal(code, 1);
      assert.match(stderr, says);
      assert.deepEqual(await oid(), before);
      assert.deepEqual(await postgres.beside(database), [database]);
    });
});
