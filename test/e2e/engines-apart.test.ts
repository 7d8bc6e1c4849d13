import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const [{ postgres, missing: noPostgres }, { mariadb, missing: noMariaDb }] = [
  await startPostgres(),
  await startMariaDb(),
];

/** A dump of PostgreSQL's as pg_dump writes it, and as an operator who has one adopts it: without a manifest. */
const DUMP = gzipSync(`--
-- PostgreSQL database dump
--
CREATE TABLE public.words (word text);
COPY public.words (word) FROM stdin;
one
\\.
--
-- PostgreSQL database dump complete
--

`);

describe('a dump of PostgreSQL beside a source of MariaDB', { skip: noPostgres || noMariaDb }, () => {
  const folder = temporaryFolder();
  const drills = temporaryFolder();
  chmodSync(drills, 0o755);
  const env = {
    BACKUP_SOURCE_ALL: `postgres://${postgres.user}@${postgres.host}:${postgres.port}/*`,
    BACKUP_SOURCE_A_BLOG: `mariadb://${mariadb.user}@${mariadb.host}:${mariadb.port}/blog`,
    BACKUP_DIR: folder,
    DRILL_DIR: drills,
  };

  test('of a server with every database is rehearsed on PostgreSQL', async () => {
    const key = '2026/01/02/all.words_030405.sql.gz';
    place(folder, key, DUMP);
    const { json } = await done('drill', [key, '--json'], env);
    assert.equal(json.results[0].source, 'all.words');
    assert.deepEqual(json.results[0].tables, [{ table: 'public.words', expected: null, restored: 1 }]);
  });

  test('of a source that nobody configures is rehearsed once its kind is said', async () => {
    const key = '2026/01/02/stray_030405.sql.gz';
    place(folder, key, DUMP);
    const unclear = await runVerb('drill', [key, '--json'], env);
    assert.equal(unclear.code, 2);
    assert.match(unclear.stderr, /no manifest, so it is not known whether it is of (mariadb|postgres)/);
    await done('drill', [key, '--source', 'all', '--json'], env);
  });

  test('is not restored into a source of another kind', async () => {
    const key = '2026/01/02/stray_030405.dump';
    place(folder, key, 'PGDMP');
    const { code, stderr } = await runVerb('restore', [key, '--source', 'a-blog'], env);
    assert.equal(code, 1);
    assert.match(stderr, /is a dump of a database \(postgres\), and a-blog is a source of mariadb/);
  });
});
