import assert from 'node:assert/strict';
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import {
  startThrowawayServer,
  type ThrowawayServer,
} from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { backUp } from '../support/backups.ts';
import { place, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { processesWith, startAtTerminal } from '../support/terminal.ts';
import { done, type Environment, runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

const started: ThrowawayServer[] = [];
after(async () => {
  for (const server of started) await server.stop();
});

const PASSWORD = 'p@ss w%rd';

/** A server that is kept for drills, into which nobody gets without a password; and the way in beside it, for the test. */
interface DrillServer {
  readonly url: string;
  readonly port: number;
  ask(sql: string): Promise<unknown[][]>;
}

async function startServer(settings: readonly string[] = ['cluster_name=drill-server']): Promise<DrillServer> {
  const parent = temporaryFolder();
  chmodSync(parent, 0o755);
  const rules = place(parent, 'hba', 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n');
  chmodSync(rules, 0o644);
  const server = await startThrowawayServer({ tcp: true, parent, settings: [`hba_file=${rules}`, ...settings] });
  started.push(server);
  const socket = join(parent, readdirSync(parent).find((name) => name.startsWith('drill-')) ?? '');
  const ask = async (sql: string) => {
    const client = new pg.Client({ host: socket, port: server.port, user: 'postgres', database: 'postgres' });
    await client.connect();
    try {
      return (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][];
    } finally {
      await client.end();
    }
  };
  await ask(`alter role postgres password '${PASSWORD}'`);
  const { port } = server;
  return { url: `postgres://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`, port, ask };
}

const OWN = `select datname::text from pg_database where not datistemplate and datname <> 'postgres'
  union all select rolname::text from pg_roles where oid >= 16384 union all select spcname::text from pg_tablespace where oid >= 16384`;

const isEmpty = async (server: DrillServer) => assert.deepEqual(await server.ask(OWN), []);

/** Rows wait while they are loaded on a server whose sessions have test.slow. */
const SLOW = `
  create function slowly(n int) returns boolean language plpgsql as $$
    begin perform pg_sleep(1) where current_setting('test.slow', true) = 'on'; return true; end $$;`;

async function backedUp(database = postgres.freshName(), more: Environment = {}) {
  if (database !== 'postgres') await postgres.create(database, 'empty');
  await postgres.sql(
    database,
    `${SLOW} create table t (n int primary key check (slowly(n))); insert into t select generate_series(1, 500);
     create role ${database}_reader; grant select on t to ${database}_reader`,
  );
  const drillDir = temporaryFolder();
  chmodSync(drillDir, 0o1777);
  const env: Record<string, string> = {
    ...postgres.env(database),
    BACKUP_DIR: temporaryFolder(),
    DRILL_DIR: drillDir,
    DRILL_CHECKS: '/nonexistent',
    ...more,
  };
  await backUp(env);
  return { database, env };
}

async function drilled(env: Environment) {
  const { json } = await done('drill', ['--json'], env);
  const [{ ok, checks }] = json.results;
  assert.equal(ok, true);
  return checks as { name: string; detail: string }[];
}

/** Resolves while its rows are being loaded there. */
const loading = (server: DrillServer) =>
  until('rows are being loaded', async () => {
    const [row] = await server.ask("select count(*)::int from pg_stat_activity where wait_event = 'PgSleep'");
    return row?.[0] === 1 ? true : undefined;
  });

describe('a server that is kept for drills', { skip: missing, concurrency: false }, () => {
  test('is what a drill and a look use, with its password, and is empty when they have ended', async () => {
    const server = await startServer();
    const { database, env } = await backedUp();
    const more =
      Number.parseInt(postgres.version, 10) < 15
        ? ''
        : `grant set on parameter log_statement to ${database}_reader; alter role postgres set allow_in_place_tablespaces = on;`;
    await postgres.sql(
      database,
      `${more} create role ${database}_owner; grant ${database}_reader to ${database}_owner`,
    );
    if (more !== '') {
      await postgres.sql(database, "create tablespace spare location ''");
      await postgres.sql(database, 'alter role postgres reset allow_in_place_tablespaces');
      await postgres.sql(database, 'create table apart (n int) tablespace spare');
    }
    await postgres.sql(database, `alter table t owner to ${database}_owner`);
    await backUp(env);
    const of = { ...env, DRILL_SERVER_URL: server.url };
    for (let n = 0; n < 2; n += 1) {
      const checks = await drilled(of);
      assert.match(checks.find(({ name }) => name === 'content')?.detail ?? '', /500 rows/);
      await isEmpty(server);
    }
    const asked = "select count(*), current_setting('cluster_name'), current_database() from t";
    const csv = await done('look', ['latest', '--csv', '--query', asked], of);
    assert.match(csv.stdout, new RegExp(`500,drill-server,${database}`));
    const printed = await done('look', ['latest', '--query', asked], of);
    assert.match(printed.stdout, new RegExp(`500 +\\| drill-server +\\| ${database}`));
    await isEmpty(server);
    assert.deepEqual(readdirSync(env.DRILL_DIR ?? ''), [], 'no server of our own was made');
  });

  test('takes the backup of a database that is called as its own', async () => {
    const server = await startServer();
    const { env } = await backedUp('postgres');
    const of = { ...env, DRILL_SERVER_URL: server.url };
    await drilled(of);
    const look = await done('look', ['latest', '--csv', '--query', 'select count(*) from t'], of);
    assert.match(look.stdout, /^count\n500\n/);
    await isEmpty(server);
    await drilled(of);
  });

  test('has one drill or look at a time, and shows no password on a command line', async () => {
    const server = await startServer();
    const { env } = await backedUp();
    const of = { ...env, DRILL_SERVER_URL: server.url };
    const { running, type } = startAtTerminal('look', ['latest'], of);
    await until('psql has a prompt', () =>
      processesWith(`--port=${server.port}`).find(({ commandLine }) => commandLine.includes('psql ')),
    );
    assert.deepEqual(processesWith(PASSWORD), []);
    assert.deepEqual(processesWith(encodeURIComponent(PASSWORD)), []);
    const drill = await runVerb('drill', ['--json'], of);
    assert.equal(drill.code, 4, drill.stderr);
    assert.match(drill.json.error.message, /another drill or look uses the server of DRILL_SERVER_URL/);
    type('select count(*) + 1 as more from t;\n\\q\n');
    const { code, stdout } = await running.outcome;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /more\s+-+\s+501/);
    await isEmpty(server);
    await drilled(of);
  });

  test('is emptied by the next one of what a drill and a look have left that were killed', async () => {
    const server = await startServer();
    const { database, env } = await backedUp();
    const of = { ...env, DRILL_SERVER_URL: server.url };
    await server.ask("alter role postgres set test.slow = 'on'");
    const drill = startVerb('drill', ['--json'], of);
    await loading(server);
    drill.signalAll('SIGKILL');
    await drill.outcome;
    await server.ask('alter role postgres reset test.slow');
    assert.notDeepEqual(await server.ask(OWN), []);

    const look = startAtTerminal('look', ['latest'], of);
    await until('the look has its database', async () =>
      (await server.ask(OWN)).some(([name]) => name === database) ? true : undefined,
    );
    look.running.signalAll('SIGKILL');
    await look.running.outcome;
    assert.deepEqual(
      (await server.ask(OWN)).filter(([name]) => String(name).includes('restoring')),
      [],
    );

    // of another database than the one that was looked into
    const { env: another } = await backedUp();
    await drilled({ ...another, DRILL_SERVER_URL: server.url });
    await isEmpty(server);
  });

  test('is emptied by a drill that takes too long, and by one that is interrupted', async () => {
    const server = await startServer();
    const { env } = await backedUp();
    const of = { ...env, DRILL_SERVER_URL: server.url };
    await server.ask("alter role postgres set test.slow = 'on'");
    const late = await runVerb('drill', ['--json'], { ...of, RESTORE_TIMEOUT: '6s' });
    assert.equal(late.code, 1);
    assert.match(late.json.results[0].checks.at(-1).detail, /longer than RESTORE_TIMEOUT/);
    await isEmpty(server);
    const interrupted = startVerb('drill', ['--json'], of);
    await loading(server);
    interrupted.signal('SIGTERM');
    assert.equal((await interrupted.outcome).code, 1);
    await isEmpty(server);
  });

  test('is refused, and left as it was, where it might be somebody’s', async () => {
    const { env } = await backedUp();
    const other = await startServer(['cluster_name=shop']);
    const ours = await startServer();
    const refusals: [DrillServer | undefined, string, RegExp][] = [
      [undefined, `postgres://postgres@${env.POSTGRES_HOST}:${env.POSTGRES_PORT}`, /where a source is/],
      [other, other.url, /does not call itself drill-server \(its cluster_name is "shop"\)/],
      [ours, ours.url, /holds databases that no drill has made: shop/],
    ];
    await ours.ask('create database shop');
    await other.ask('create database shop');
    for (const [server, url, message] of refusals) {
      for (const verb of ['drill', 'look'] as const) {
        const words = verb === 'drill' ? ['--json'] : ['latest', '--query', 'select 1', '--csv'];
        const { code, stdout, stderr } = await runVerb(verb, words, { ...env, DRILL_SERVER_URL: url });
        assert.notEqual(code, 0);
        assert.match(stdout + stderr, message);
      }
      if (server) assert.deepEqual(await server.ask(OWN), [['shop']]);
    }
    await ours.ask('drop database shop');
    await ours.ask('create view kept as select 1 as n');
    const drill = await runVerb('drill', ['--json'], { ...env, DRILL_SERVER_URL: ours.url });
    assert.equal(drill.code, 1);
    assert.match(drill.json.results[0].checks[0].detail, /holds what somebody has made in its database postgres/);
    assert.deepEqual(await ours.ask('select n from kept'), [[1]]);
  });

  test('is no server of a source, whatever the address that it goes by there', async () => {
    const { env } = await backedUp();
    const server = await startServer();
    await server.ask('create role shop_reader');
    const { POSTGRES_DB, POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, ...rest } = env;
    const both = {
      ...rest,
      BACKUP_SOURCE_ONE: `postgres://${POSTGRES_USER}@${POSTGRES_HOST}:${POSTGRES_PORT}/${POSTGRES_DB}`,
      BACKUP_SOURCE_EMPTY: `${server.url}/postgres`,
    };
    await done('backup', ['--json'], both);
    const url = server.url.replace('127.0.0.1', 'localhost');
    // on its name and by what is in it, it would be one
    const drill = await runVerb('drill', ['--json'], { ...both, DRILL_SERVER_URL: url });
    assert.equal(drill.code, 1);
    for (const { source, checks } of drill.json.results)
      assert.match(
        checks[0].detail,
        /is the very server that backups of empty are of \(system identifier \d+\)/,
        source,
      );
    assert.deepEqual(await server.ask(OWN), [['shop_reader']]);
    // nor where its own backup is not there any more
    const { BACKUP_SOURCE_ONE: _, ...alone } = both;
    const look = await runVerb('look', ['latest', '--query', 'select 1'], { ...alone, DRILL_SERVER_URL: url });
    assert.equal(look.code, 2);
    assert.match(look.stderr, /is the very server/);
  });

  test('has a URL that is checked before anything is touched', async () => {
    const { env } = await backedUp();
    for (const [url, message] of [
      ['mysql://x/y', /DRILL_SERVER_URL: wants a URL such as/],
      ['drill-server', /DRILL_SERVER_URL: wants a URL such as/],
      ['postgres://postgres@drill-server/shop', /DRILL_SERVER_URL: names a database/],
      ['postgres://postgres@drill-server?sslmode=maybe', /DRILL_SERVER_URL: \?sslmode=maybe wants one of/],
    ] as const) {
      const wrong = await runVerb('drill', ['--json'], { ...env, DRILL_SERVER_URL: url });
      assert.equal(wrong.code, 2);
      assert.match(wrong.json.error.message, message);
    }
    const away = await runVerb('drill', ['--json'], { ...env, DRILL_SERVER_URL: 'postgres://me:no-word@127.0.0.1:1' });
    assert.equal(away.code, 1);
    assert.match(away.json.results[0].checks[0].detail, /127\.0\.0\.1:1\b.*DRILL_SERVER_URL/);
    assert.doesNotMatch(away.stdout + away.stderr, /no-word/);
  });
});
