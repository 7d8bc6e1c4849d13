import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { configure } from '../../scripts/lib/config/config.ts';
import { connect, libpqEnvironment } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import type { DatabaseSource } from '../../scripts/lib/source.ts';
import { type Container, hasEngine, startContainer, untilReady } from '../support/container.ts';
import { databasesOf } from '../support/sources.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
setChildEnvironment(process.env);

const DATABASES = {
  noted: `
    create table logins (who text);
    create function note() returns event_trigger language plpgsql security definer as $$
      begin insert into public.logins values (session_user); end $$;
    create event trigger noted on login execute function note()`,
  refused: `
    create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'nobody enters'; end $$;
    create event trigger refused on login execute function refuse()`,
};

// the versions that have such triggers
for (const version of [17, 18])
  describe(`what a database of PostgreSQL ${version} does at a login`, { skip: !hasEngine() && 'no Docker' }, () => {
    let server: Container;
    let source: DatabaseSource;

    before(async () => {
      const recipe = {
        ...{ name: `login-${version}`, image: `postgres:${version}-trixie`, port: 5432, command: [] },
        env: { POSTGRES_HOST_AUTH_METHOD: 'trust' },
      };
      server = await startContainer(recipe, async (container) => {
        const port = await container.port();
        const sql = async (database: string, ...statements: readonly string[]) => {
          const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
          client.on('error', () => {});
          await client.connect();
          try {
            for (const statement of statements) await client.query(statement);
          } finally {
            await client.end();
          }
        };
        // the image starts a first server, for its own preparations, on a socket alone
        await untilReady(() => sql('postgres', 'select 1'));
        await sql('postgres', 'create role other superuser login', 'create role app login');
        for (const [name, content] of Object.entries(DATABASES)) {
          await sql('postgres', `create database ${name}`);
          await sql(name, content);
        }
        const env = { POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: String(port), POSTGRES_DB: 'noted' };
        source = databasesOf(configure(env))[0] ?? assert.fail();
        return container;
      });
    });
    after(() => server?.stop());

    const logins = async () => {
      const connection = await connect(source, 'noted', signal);
      const rows = await connection.query<{ who: string }>('select who from public.logins');
      await connection.close();
      return rows.map(({ who }) => who);
    };

    test('is no part of a superuser’s sessions from the second on, nor of its programs', async () => {
      await (await connect(source, 'postgres', signal)).close();
      assert.deepEqual(await logins(), []);
      const psql = (await findPrograms('psql'))[0]?.path ?? assert.fail('psql');
      for (const database of ['noted', 'refused']) {
        await (await connect(source, database, signal)).close();
        const env = { ...process.env, ...libpqEnvironment(source, database) };
        const { stdout } = await run(psql, ['-XAtc', 'select current_database()'], { env });
        assert.equal(stdout, `${database}\n`);
      }
      assert.deepEqual(await logins(), []);
    });

    test('is named where it refuses the first session, of whose rights nothing is known yet', async () => {
      await assert.rejects(connect({ ...source, user: 'other' }, 'refused', signal), (error) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.code, 'SOURCE_CONNECT');
        assert.match(error.message, /nobody enters/);
        assert.match(error.hint ?? '', /event trigger ON login/);
        return true;
      });
    });

    test('is done for a role that may not leave it out', async () => {
      for (const database of ['postgres', 'noted'])
        await (await connect({ ...source, user: 'app' }, database, signal)).close();
      assert.deepEqual(await logins(), ['app']);
    });
  });
