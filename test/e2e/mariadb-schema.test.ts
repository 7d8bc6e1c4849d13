import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/folders.ts';
import { forge } from '../support/forge.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { runVerb } from '../support/verbs.ts';

const RENTAL = readFileSync(new URL('../support/mariadb-rental.sql', import.meta.url));
const { mariadb, missing } = await startMariaDb();

async function rental() {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, RENTAL);
  const drills = temporaryFolder();
  chmodSync(drills, 0o755);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...mariadb.env(database), BACKUP_DIR: folder, DRILL_DIR: drills };
  return { database, folder, env };
}

async function backUp(env: Record<string, string>): Promise<string> {
  const { code, json, stderr } = await runVerb('backup', ['--json'], env);
  assert.equal(code, 0, stderr);
  return json.results[0].key;
}

const CODE = { view: 5, trigger: 4, function: 3, procedure: 3, event: 2 };

describe('a schema with one of everything', { skip: missing, concurrency: 2 }, () => {
  test('is the same to the letter after a restore over it, beside it and onto nothing', async () => {
    const { database, folder, env } = await rental();
    const before = await mariadb.dump(database);
    const key = await backUp(env);
    const manifest = JSON.parse(readFileSync(join(folder, key.replace(/\.sql\.gz$/, '.json')), 'utf8'));
    assert.deepEqual(manifest.codeObjects, CODE);
    await mariadb.sql(
      'set foreign_key_checks = 0; drop table film; drop view series; drop procedure lend; drop event tidy; alter table staff drop column password',
      undefined,
      database,
    );
    const over = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(over.code, 0, over.stderr);
    assert.equal(await mariadb.dump(database), before);
    const copy = `${database}copy`;
    const beside = await runVerb('restore', ['latest', '--to', copy], env);
    assert.equal(beside.code, 0, beside.stderr);
    assert.equal((await mariadb.dump(copy)).replaceAll('DISABLE ON SLAVE', 'ENABLE'), before);
    await mariadb.sql(`set foreign_key_checks = 0; drop database \`${database}\``);
    const onto = await runVerb('restore', ['latest'], env);
    assert.equal(onto.code, 0, onto.stderr);
    assert.equal(await mariadb.dump(database), before);
    // and it works, not only reads the same
    const [, , [{ left }], [{ full }]] = await mariadb.sql(
      `call lend(501, 3, @id); update film set price = 9 where id = 500; select in_stock(501) as \`left\`; select group_concat(full_name order by id) as full from person`,
      undefined,
      database,
    );
    assert.deepEqual([left, full], [0, "Ada Lovelace,Zoë O'Hara,Li Wei"]);
    const drill = await runVerb('drill', ['--json'], env);
    assert.equal(drill.code, 0, drill.stderr);
    assert.equal(
      drill.json.results[0].checks.find(({ name }: { name: string }) => name === 'code').detail.split(', ').length,
      5,
    );
  });

  test('of which a dump has lost a trigger, a view, a routine or an event is not restored, and fails its drill', async () => {
    const { database, folder, env } = await rental();
    const before = await mariadb.dump(database);
    const key = await backUp(env);
    forge(folder, key, {
      sql: (text) => text.replace(/\/\*!50106 CREATE\*\/ [^\n]*EVENT `never`[^;]*;;/, 'select 1 ;;'),
    });
    const restore = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(restore.json.error.message, /objects of the kind event: 1, expected 2/);
    assert.equal(await mariadb.dump(database), before);
    const drill = await runVerb('drill', ['--json'], env);
    assert.equal(drill.code, 1);
    assert.deepEqual(
      drill.json.results[0].checks
        .filter(({ ok }: { ok: boolean }) => !ok)
        .map(({ name, detail }: { name: string; detail: string }) => `${name}: ${detail}`),
      ['code: objects of the kind event: 1, expected 2'],
    );
  });
});

describe('a restore', { skip: missing }, () => {
  test('that cannot have a table for 30 s gives up, names who holds it, and the live database is as it was', async () => {
    const { database, env } = await rental();
    await backUp(env);
    const before = await mariadb.dump(database);
    // a session of no database is not ended, and a new one takes its place: nothing but its lock is in the way
    const holder = await mariadb.connect();
    await holder.query(`lock tables \`${database}\`.film read`);
    const started = Date.now();
    const restore = await runVerb('restore', ['latest', '--json'], env);
    const took = Date.now() - started;
    await holder.end();
    assert.equal(restore.code, 1, restore.stderr);
    assert.equal(restore.json.error.code, 'RESTORE_REFUSED');
    assert.match(restore.json.error.message, new RegExp(`${database} could not be swapped: it is in use by`));
    assert.ok(took >= 30_000, `it gave up after ${took} ms`);
    await sleep(100);
    assert.equal(await mariadb.dump(database), before);
    assert.deepEqual(await mariadb.beside(database), [database]);
  });
});
