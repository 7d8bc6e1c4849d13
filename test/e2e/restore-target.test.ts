import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { PASSWORD_ROLE, startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { postgres: other } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

const urlOf = (
  { host, port, user }: { host: string; port: number; user: string },
  database: string,
  scheme = 'postgres',
) => `${scheme}://${user}@${host}:${port}/${database}`;

describe('a restore into another server', { skip: missing, concurrency: 2 }, () => {
  test('fills a database that is not there, once its name was given twice, and with a password that no command line has', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'example');
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const live = await postgres.fingerprint(database);
    const role = `r_${database}`;
    await other.sql(
      'postgres',
      `create role ${role} login superuser password 'it''s #1'; grant ${PASSWORD_ROLE} to ${role}`,
    );
    const target = urlOf({ ...other, user: role }, database);

    const once = await runVerb('restore', ['latest', '--target', target], env);
    assert.equal(once.code, 2, once.stderr);
    assert.match(once.stderr, new RegExp(`wants the name of its database a second time: --confirm ${database}`));
    const wrong = await runVerb('restore', ['latest', '--target', target, '--confirm', 'shop'], env);
    assert.equal(wrong.code, 2, wrong.stderr);
    const open = await runVerb(
      'restore',
      ['latest', '--target', target.replace('@', ':secret@'), '--confirm', database],
      env,
    );
    assert.equal(open.code, 2);
    assert.match(open.stderr, /holds a password, which every user of this machine can read/);
    assert.deepEqual(await other.beside(database), []);

    const { json } = await done(
      'restore',
      ['latest', '--target', target, '--confirm', database, '--compare', '--json'],
      { ...env, RESTORE_TARGET_PASSWORD: "it's #1" },
    );
    assert.equal(json.database, database);
    assert.deepEqual(await other.contents(database), await postgres.contents(database));
    assert.deepEqual(await postgres.fingerprint(database), live);

    // what has something in it is not overwritten, and the password may be where libpq looks for one
    const PGPASSFILE = join(temporaryFolder(), 'pgpass');
    writeFileSync(PGPASSFILE, `${other.host}:${other.port}:*:${role}:it's #1\n`, { mode: 0o600 });
    const again = await runVerb('restore', ['latest', '--target', target, '--confirm', database], {
      ...env,
      PGPASSFILE,
    });
    assert.equal(again.code, 1, again.stderr);
    assert.match(again.stderr, /exists and is not empty/);

    const one = await done(
      'restore',
      [
        'latest',
        '--target',
        urlOf(other, `${database}_one`),
        '--confirm',
        `${database}_one`,
        '--table',
        'orders',
        '--json',
      ],
      env,
    );
    assert.deepEqual([one.json.tables, one.json.copy], [1, []]);
  });

  test('is refused where it would meet what is backed up, under whatever address, and a server that is older', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'example');
    const folder = temporaryFolder();
    const env = {
      BACKUP_SOURCE_SHOP: urlOf(postgres, database),
      BACKUP_SOURCE_OTHER: urlOf(other, 'postgres'),
      BACKUP_DIR: folder,
    };
    await done('backup', ['shop'], env);
    const live = await postgres.fingerprint(database);
    const refused = async (url: string, name: string, says: RegExp, more: readonly string[] = [], of = env) => {
      const args = ['latest', '--source', 'shop', '--target', url, '--confirm', name, ...more];
      const { code, stderr } = await runVerb('restore', args, of);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
    };
    await refused(urlOf(postgres, database), database, /is the source shop/, ['--same-server']);
    const alias = { ...postgres, host: postgres.host === 'localhost' ? '127.0.0.1' : 'localhost' };
    await refused(urlOf(alias, database), database, /is the source shop, under another address/, ['--same-server']);
    await refused(urlOf(alias, 'fresh'), 'fresh', /is the server of the source shop[\s\S]*--same-server/);
    // of a source that is not configured any more, the backup knows its server
    const { BACKUP_SOURCE_OTHER: _, ...alone } = env;
    await refused(urlOf(alias, 'fresh'), 'fresh', /is the server of the source shop/, [], {
      ...alone,
      BACKUP_SOURCE_SHOP: `postgres://nobody@127.0.0.1:1/${database}`,
    } as typeof env);
    assert.deepEqual(await postgres.fingerprint(database), live);

    const copy = `${database}_copy`;
    await done(
      'restore',
      ['latest', '--source', 'shop', '--target', urlOf(alias, copy), '--confirm', copy, '--same-server'],
      env,
    );
    assert.deepEqual(await postgres.contents(copy), await postgres.contents(database));
    await postgres.sql('postgres', `drop database ${copy}`);

    const [path = ''] = filesIn(folder).filter((name) => /\d\.json$/.test(name));
    const manifest = readFileSync(join(folder, path), 'utf8');
    writeFileSync(join(folder, path), manifest.replace(/"serverVersion":\s*"[^"]*"/, '"serverVersion":"99.1"'));
    await refused(urlOf(alias, 'fresh'), 'fresh', /older than the 99\.1 that was dumped/, ['--same-server']);
    assert.deepEqual(await postgres.beside('fresh'), []);
  });

  test('is refused where a database that somebody made does not hold the text, and told of where it sorts it otherwise', async () => {
    const database = postgres.freshName();
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await postgres.sql('postgres', `create database ${database} encoding 'UTF8' locale 'C.UTF-8' template template0`);
    await postgres.sql(
      database,
      "create table words (t text primary key); insert into words values ('ä'), ('Z'), ('a')",
    );
    await done('backup', [], env);
    const into = (name: string) => ['latest', '--target', urlOf(other, name), '--confirm', name, '--compare'];
    for (const encoding of ['SQL_ASCII', 'LATIN1']) {
      const name = `${database}_${encoding.toLowerCase()}`;
      await other.sql('postgres', `create database ${name} encoding '${encoding}' locale 'C' template template0`);
      const { code, stderr } = await runVerb('restore', into(name), env);
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        new RegExp(`encoded in ${encoding}, and the one that was dumped in UTF8[^]*ENCODING 'UTF8'`),
      );
      assert.deepEqual(await other.sql(name, "select 1 from pg_class where relname = 'words'"), []);
    }
    const sorted = `${database}_c`;
    await other.sql('postgres', `create database ${sorted} encoding 'UTF8' locale 'C' template template0`);
    const { stderr } = await done('restore', into(sorted), env);
    assert.match(
      stderr,
      new RegExp(`warn: ${sorted} has the locale C, and the database that was dumped C\\.UTF-?8:`, 'i'),
    );
    const same = `${database}_same`;
    await other.sql('postgres', `create database ${same} encoding 'UTF8' locale 'C.UTF-8' template template0`);
    assert.doesNotMatch((await done('restore', into(same), env)).stderr, /locale/);
  });

  test('is refused where a database that somebody made is set up for tables that come, and may have extensions of its own', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(database, 'create table secrets (v text); insert into secrets values (1)');
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const into = (name: string) => ['latest', '--target', urlOf(other, name), '--confirm', name, '--compare'];
    for (const [at, [setUp, says]] of Object.entries({
      'alter default privileges grant select on tables to public': /default privileges on new relations/,
      'create publication everything for all tables': /publication everything/,
      'create cast (varchar as integer) with inout as implicit': /cast from character varying to integer/,
      'drop schema public': /has no schema public[\s\S]*CREATE SCHEMA public/,
    }).entries()) {
      const name = `${database}_set_up_${at}`;
      await other.sql('postgres', `create database ${name} template template0`);
      await other.sql(name, setUp);
      const { code, stderr } = await runVerb('restore', into(name), env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
      assert.match(stderr, /Nothing was touched/);
      assert.deepEqual(await other.sql(name, "select 1 from pg_class where relname = 'secrets'"), []);
    }
    const extended = `${database}_extended`;
    await other.sql('postgres', `create database ${extended} template template0`);
    await other.sql(extended, 'create extension hstore');
    const { stderr } = await done('restore', into(extended), env);
    assert.match(stderr, /not compared: EXTENSION hstore: the database that was given had it before/);
  });

  test('of a database that was made anew in an encoding that does not hold the text has the one that was dumped', async () => {
    const database = postgres.freshName();
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await postgres.create(database);
    await postgres.sql(database, "create table words (t text primary key); insert into words values ('ä')");
    const encoding = `select pg_encoding_to_char(encoding) as e, length('ä') as n from pg_database where datname = '${database}'`;
    const dumped = await postgres.sql(database, encoding);
    await done('backup', [], env);
    await postgres.sql('postgres', `drop database ${database}`);
    await postgres.sql('postgres', `create database ${database} encoding 'SQL_ASCII' locale 'C' template template0`);
    const { stderr } = await done('restore', ['latest', '--compare'], env);
    assert.match(stderr, /is encoded in SQL_ASCII, which does not hold what was dumped in UTF8/);
    assert.deepEqual(await postgres.sql(database, encoding), dumped);
  });

  test('of MariaDB fills another database, and never that of a source', { skip: noMariaDb }, async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'example');
    const env = {
      ...mariadb.env(database),
      BACKUP_DIR: temporaryFolder(),
      RESTORE_TARGET_PASSWORD: mariadb.password ?? '',
    };
    await done('backup', [], env);
    const copy = `${database}_copy`;
    const alias = { ...mariadb, host: mariadb.host === 'localhost' ? '127.0.0.1' : 'localhost' };
    const own = await runVerb(
      'restore',
      ['latest', '--target', urlOf(alias, database, 'mariadb'), '--confirm', database],
      env,
    );
    assert.equal(own.code, 1, own.stderr);
    assert.match(own.stderr, /is the source shop, under another address/);
    const target = urlOf(alias, copy, 'mariadb');
    const server = await runVerb('restore', ['latest', '--target', target, '--confirm', copy], env);
    assert.match(server.stderr, /is the server of the source shop/);
    await done('restore', ['latest', '--target', target, '--confirm', copy, '--same-server'], env);
    const [{ n }] = await mariadb.sql(`select count(*) as n from ${copy}.customers`);
    assert.equal(Number(n), 4);
    const foreign = await runVerb('restore', ['latest', '--target', urlOf(other, 'x'), '--confirm', 'x'], env);
    assert.equal(foreign.code, 1, foreign.stderr);
    assert.match(foreign.stderr, /is a dump of a database \(mariadb\), and target is a source of postgres/);
    await mariadb.sql(`drop database ${copy}`);
  });

  test('words that do not go together are refused before anything is read', async () => {
    for (const args of [
      ['--undo', '--target', 'postgres://a/b'],
      ['latest', '--target', 'postgres://a/b', '--to', 'c'],
      ['latest', '--confirm', 'c'],
      ['latest', '--same-server'],
      ['--at', '2026-01-01', '--target', 'postgres://a/b', '--confirm', 'b'],
    ])
      assert.equal((await runVerb('restore', args, {})).code, 2, args.join(' '));
  });
});
