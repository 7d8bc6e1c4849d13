import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Connection } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { listTables } from '../../scripts/lib/engines/postgres/split/tables.ts';
import { temporaryFolder } from '../support/folders.ts';
import { cases } from '../support/matrix.ts';
import { DEFINITIONS, IN_ORDER, type Odd, OF_THE_DATABASE, ROLES, SETTINGS, VALUES } from '../support/odd-objects.ts';
import { startPostgres } from '../support/postgres.ts';
import { loadLatest } from '../support/proof.ts';
import { done } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

const ALL: Readonly<Record<string, Odd>> = { ...VALUES, ...DEFINITIONS, ...OF_THE_DATABASE };

async function made(): Promise<string> {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql('postgres', ROLES);
  await postgres.sql('postgres', SETTINGS.replaceAll(/\bDB\b/g, database));
  for (const [what, { make }] of Object.entries(ALL))
    await postgres.sql(database, make.replaceAll(/\bDB\b/g, database)).catch((error: unknown) => {
      throw new Error(`${what}: ${error}`);
    });
  await postgres.sql(database, IN_ORDER);
  return database;
}

let once: Promise<Record<string, string>> | undefined;

/** A backup of all of it, made once. */
function backedUp(): Promise<Record<string, string>> {
  once ??= (async () => {
    const env = { ...postgres.env(await made()), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    return env;
  })();
  return once;
}

/** Definitions, in any order. Rows are compared by the restore: columns that a parent got later come in another order. */
const definitions = (dump: string) =>
  dump
    .replaceAll(/^COPY [\s\S]*?^\\\.$/gm, '')
    .split('\n')
    .filter((line) => !line.startsWith('--'))
    .sort();

describe('what a database may hold that few have', { skip: missing }, () => {
  for (const format of cases(['sql'], ['custom', 'folder'])) {
    test(`is proved by a drill and comes back as it was, in the format ${format}`, async () => {
      const database = await made();
      const before = await postgres.dump(database);
      const DRILL_DIR = temporaryFolder();
      chmodSync(DRILL_DIR, 0o755);
      const env = { ...postgres.env(database), BACKUP_FORMAT: format, BACKUP_DIR: temporaryFolder(), DRILL_DIR };
      await done('backup', [], env);
      const drill = await done('drill', [], env);
      assert.match(drill.stderr, /passed, equal: /);
      await done('restore', ['latest', '--compare'], env);
      assert.deepEqual(definitions(await postgres.dump(database)), definitions(before));
    });
  }

  test('is loaded last where its rows are checked by those of another table, however deep the check lies', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(database, IN_ORDER);
    const client = await postgres.connect(database);
    const query = async (sql: string, parameters?: unknown[]) => (await client.query(sql, parameters)).rows;
    const { rows } = await client.query('show server_version_num');
    const tables = await listTables({ query, serverVersionNum: Number(rows[0].server_version_num) } as Connection);
    await client.end();
    assert.deepEqual(
      tables.filter(({ isChecked }) => isChecked).map(({ relation }) => relation),
      ['c_again', 'c_arrays', 'c_holders', 'c_parts_known', 'c_parts_new'],
    );
  });

  test('is told of at each backup where pg_dump passes it over', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const warnings = async () => {
      const { json } = await done('backup', ['--json'], { ...postgres.env(database), BACKUP_DIR: temporaryFolder() });
      return (json.results[0].warnings ?? []).join('; ') as string;
    };
    await postgres.sql(
      database,
      `create extension btree_gist; create extension citext; create type own as enum ('a');
       create table parents (id int primary key); create table children (id int references parents);`,
    );
    assert.equal(await warnings(), '');
    await postgres.sql(
      database,
      `create function pg_catalog.compatible(int) returns int language sql as 'select $1'; create view information_schema.mine as select 1 as one;
       create function less(int, numeric) returns boolean language sql immutable as 'select $1 < $2';
       create operator <<< (leftarg = int, rightarg = numeric, function = less);
       alter operator family integer_ops using btree add operator 1 <<< (int, numeric);
       alter table children disable trigger all; revoke usage on schema information_schema from public;`,
    );
    const told = await warnings();
    for (const says of [
      /function (pg_catalog\.)?compatible\(integer\), view information_schema\.mine/,
      /operator families of the server's own is in no dump: operator 1 .*<<</,
      /keys that are not checked.*: (public\.)?children \(children_id_fkey\)/,
      /rights on the schema information_schema .*altered: \w+=UC/,
    ])
      assert.match(told, says);
  });

  describe('is missed by the proof once it is another', { skip: missing }, () => {
    // a proof looks for rows in three tables, and tells of ten definitions
    for (const [some, atOnce] of [
      [VALUES, 3],
      [DEFINITIONS, 5],
      [OF_THE_DATABASE, 8],
    ] as const) {
      const all = Object.entries(some);
      for (let from = 0; from < all.length; from += atOnce) {
        const few = all.slice(from, from + atOnce);
        test(few.map(([what]) => what).join('; '), async () => {
          const loaded = await loadLatest(await backedUp());
          try {
            assert.deepEqual(await loaded.failures(), {});
            for (const [, { harm }] of few)
              await postgres.sql(loaded.staging, harm.replaceAll(/\bDB\b/g, loaded.staging));
            const told = Object.values(await loaded.failures()).join('; ');
            for (const [, { says }] of few) assert.match(told, says);
          } finally {
            await loaded.close();
          }
        });
      }
    }
  });
});
