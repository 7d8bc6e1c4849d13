import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import {
  startThrowawayServer,
  type ThrowawayServer,
} from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { temporaryFolder } from '../support/folders.ts';
import { done, runVerb } from '../support/verbs.ts';

const NEEDED = ['/usr/share/i18n/locales/de_DE', '/usr/share/locale/de/LC_MESSAGES/postgres-15.mo'];
const lacking = NEEDED.find((path) => !existsSync(path));
const SECRET = 'DE89370400440532013000';

describe('a server that speaks German', { skip: lacking && `${lacking} is not there: apt-get install locales` }, () => {
  let server: ThrowawayServer;
  const run = async (database: string, ...statements: string[]) => {
    const client = new pg.Client({ host: server.host, port: server.port, user: server.user, database });
    await client.connect();
    const results = [];
    for (const statement of statements) results.push((await client.query(statement)).rows);
    await client.end();
    return results.at(-1) ?? [];
  };
  const env = (user: string, folder: string) => ({
    POSTGRES_HOST: server.host,
    POSTGRES_PORT: String(server.port),
    POSTGRES_USER: user,
    POSTGRES_DB: 'laden',
    POSTGRES_PASSWORD: 'any',
    BACKUP_DIR: folder,
  });

  before(async () => {
    setChildEnvironment(process.env);
    const like = { serverSettings: { lc_time: 'de_DE.UTF-8' }, tables: [], sequences: [] } as unknown as Manifest;
    server = await startThrowawayServer({ tcp: true, like, settings: ['lc_messages=de_DE.UTF-8'] });
    await run(
      'postgres',
      'create role clerk login createdb',
      'create role boss login',
      'create database laden owner clerk',
    );
    await run(
      'laden',
      'set role clerk',
      "create function fits(text) returns boolean language sql immutable as 'select true'",
      'create table people (id int primary key, iban text, constraint good check (public.fits(iban)))',
      `insert into people values (1, '${SECRET}')`,
      'create table orders (id int primary key, person int references people)',
      'insert into orders values (1, 1)',
    );
    const client = new pg.Client({ host: server.host, port: server.port, user: 'clerk', database: 'laden' });
    await client.connect();
    await assert.rejects(client.query('select nothing'), /Spalte »nothing« existiert nicht/);
    await client.end();
  });
  after(() => server?.stop());

  for (const user of ['clerk', 'postgres'])
    test(`a row that breaks a check is in no message, and is kept without the check, as ${user}`, async () => {
      const folder = temporaryFolder();
      await run(
        'laden',
        "create or replace function fits(text) returns boolean language sql immutable as 'select false'",
      );
      await done('backup', [], env(user, folder));
      const failed = await runVerb('restore', ['latest', '--to', `bad_${user}`], env(user, folder));
      assert.equal(failed.code, 1, failed.stderr);
      assert.match(failed.stderr, /people/);
      assert.doesNotMatch(failed.stderr, new RegExp(SECRET));
      const without = ['latest', '--without-broken', '--to', `kept_${user}`];
      const kept = await done('restore', without, env(user, folder));
      assert.match(kept.stderr, /the check good of public\.people holds for rows from now on alone/);
      assert.doesNotMatch(kept.stderr, new RegExp(SECRET));
      assert.deepEqual(await run(`kept_${user}`, 'select iban from people'), [{ iban: SECRET }]);
    });

  test('an owner that could not be given is no success', async () => {
    const folder = temporaryFolder();
    await run('laden', "create or replace function fits(text) returns boolean language sql immutable as 'select true'");
    await run('postgres', 'alter database laden owner to boss');
    await done('backup', [], env('postgres', folder));
    await run('postgres', 'drop database laden');
    const restore = await runVerb('restore', ['latest', '--source', 'laden'], env('clerk', folder));
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(restore.stderr, /not as it was, give it yourself: alter database "laden" owner to "boss"/);
  });
});
