import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createConnection } from 'mariadb';
import pg from 'pg';
import { place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { nothingStays, processesWith, startAtTerminal } from '../support/terminal.ts';
import { type Environment, runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

/** A folder for throwaway servers: as root, they run as somebody else. */
function drillFolder(): string {
  const folder = temporaryFolder();
  chmodSync(folder, 0o1777);
  return folder;
}

async function backedUp(of: Environment) {
  const drillDir = drillFolder();
  const env: Record<string, string> = { ...of, BACKUP_DIR: temporaryFolder(), DRILL_DIR: drillDir };
  const backup = await runVerb('backup', ['--json'], env);
  assert.equal(backup.code, 0, backup.stderr);
  return { env, drillDir, key: backup.json.results[0].key as string };
}

async function shop(more: Environment = {}) {
  const database = postgres.freshName();
  await postgres.create(database);
  return { database, ...(await backedUp({ ...postgres.env(database), ...more })) };
}

/** Resolves when the client of the look runs. */
const prompt = (drillDir: string, program: string) =>
  until(`${program} has a prompt`, () =>
    processesWith(drillDir).find(({ commandLine }) => commandLine.includes(`${program} `)),
  );

/** Asks the throwaway server itself. */
async function askThrowaway(drillDir: string, sql: string): Promise<{ n: number }> {
  const folder = readdirSync(drillDir).find((name) => name.startsWith('look-postgres-')) ?? '';
  const client = new pg.Client({ host: join(drillDir, folder), port: 5432, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query(sql)).rows[0];
  } finally {
    await client.end();
  }
}

describe('a look into a backup of PostgreSQL', { skip: missing, concurrency: 2 }, () => {
  for (const format of ['sql', 'custom', 'folder'])
    test(`answers a query from the format ${format}, with the live server out of reach, and leaves nothing`, async () => {
      const { env, drillDir, key } = await shop({ BACKUP_FORMAT: format, BACKUP_JOBS: '2' });
      const asked = 'select count(*) as n, min(id) as "first", max(net)::numeric(6,2) as most from orders';
      const look = await runVerb('look', [key, '--query', asked, '--json'], {
        ...env,
        POSTGRES_HOST: 'nowhere.invalid',
      });
      assert.equal(look.code, 0, look.stderr);
      assert.equal(look.json.key, key);
      assert.deepEqual(look.json.columns, ['n', 'first', 'most']);
      assert.deepEqual(look.json.rows, [{ n: 490, first: 1, most: '184.63' }]);
      await nothingStays(drillDir);
    });

  test('has the database under its own name, with its roles and settings, and nothing that is written reaches the live one', async () => {
    const { database, env, drillDir } = await shop();
    await postgres.sql('postgres', `alter database "${database}" set search_path = "Back Office", public`);
    assert.equal((await runVerb('backup', [], env)).code, 0);
    const before = await postgres.fingerprint(database);
    const where = await runVerb(
      'look',
      ['latest', '--json', '--query', "select current_database() as db, current_setting('search_path') as path"],
      env,
    );
    assert.deepEqual(where.json.rows, [{ db: database, path: '"Back Office", public' }]);
    const written = await runVerb('look', ['latest', '--query', 'drop table orders cascade; select 1 as still'], env);
    assert.equal(written.code, 0, written.stderr);
    assert.match(written.stdout, /DROP TABLE\s+still\s/);
    assert.deepEqual(await postgres.fingerprint(database), before);
    assert.deepEqual(await postgres.beside(database), [database]);
    await nothingStays(drillDir);
  });

  test('writes comma-separated values as the server does, and JSON with its own types', async () => {
    const { database, env, drillDir } = await shop();
    const asked =
      "select E'a,\"b\"\\r\\nc' as \"t,x\", null as nothing, '' as empty, '\\.' as dot, true as yes, 9007199254740993 as big, " +
      "2.50 as price, 'NaN'::float8 as nan, '{\"a\": [1]}'::jsonb as j, 1 as twice, 2 as twice, '\\x00ff'::bytea as bytes";
    const csv = await runVerb('look', ['latest', '--query', asked, '--csv'], env);
    assert.equal(csv.code, 0, csv.stderr);
    const { host, port, user } = postgres;
    const at = ['-X', '-h', host, '-p', String(port), '-U', user, '-d', database];
    const copied = execFileSync('psql', [...at, '-c', `copy (${asked}) to stdout with (format csv, header)`]);
    assert.equal(csv.stdout, copied.toString());
    const json = await runVerb('look', ['latest', '--query', asked, '--json'], env);
    assert.deepEqual(json.json.rows[0], {
      't,x': 'a,"b"\r\nc',
      nothing: null,
      empty: '',
      dot: '\\.',
      yes: true,
      big: '9007199254740993',
      price: '2.50',
      nan: 'NaN',
      j: { a: [1] },
      twice: 1,
      twice_2: 2,
      bytes: '\\x00ff',
    });
    const many = await runVerb(
      'look',
      ['latest', '--csv', '--query', 'select n from generate_series(1, 25000) n'],
      env,
    );
    assert.equal(many.stdout, `n\n${Array.from({ length: 25_000 }, (_, i) => `${i + 1}\n`).join('')}`);
    await nothingStays(drillDir);
  });

  test('opens an encrypted backup, and without the key says so before anything is started', async () => {
    const { json: keys } = await runVerb('keygen', ['--json'], { BACKUP_DIR: '/nowhere' });
    const { env, drillDir, key } = await shop({ BACKUP_AGE_RECIPIENTS: keys.recipient });
    assert.match(key, /\.age$/);
    const asked = [key, '--query', 'select count(*) as n from customers', '--json'];
    const identity = place(temporaryFolder(), 'identity', `${keys.identity}\n`);
    const look = await runVerb('look', asked, { ...env, BACKUP_AGE_IDENTITY_FILE: identity });
    assert.deepEqual(look.json.rows, [{ n: 200 }], look.stderr);
    const without = await runVerb('look', asked, env);
    assert.equal(without.code, 2);
    assert.equal(without.json.error.code, 'CONFIG');
    await nothingStays(drillDir);
  });

  test('says what the server says of a query that fails, at once or half way, and exits with 1', async () => {
    const { env, drillDir } = await shop();
    const wrong = await runVerb('look', ['latest', '--query', 'select * from order', '--json'], env);
    assert.equal(wrong.code, 1);
    assert.equal(wrong.json.error.code, 'QUERY_FAILED');
    assert.match(wrong.json.error.message, /syntax error at or near "order" \(at character 15\)/);
    const late = await runVerb(
      'look',
      ['latest', '--query', 'select 1 / (5000 - n) as x from generate_series(1, 9999) n', '--csv'],
      env,
    );
    assert.equal(late.code, 1);
    assert.match(late.stderr, /division by zero/);
    const printed = await runVerb('look', ['latest', '--query', 'select * from nowhere'], env);
    assert.equal(printed.code, 1);
    assert.match(printed.stderr, /relation "nowhere" does not exist/);
    await nothingStays(drillDir);
  });

  test('says of COPY, which a document has no rows of, what to do instead', async () => {
    const { env } = await shop();
    for (const sql of ['copy customers to stdout', 'copy customers from stdin']) {
      const { code, stderr } = await runVerb('look', ['latest', '--query', sql, '--json'], env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /COPY gives no rows: ask with SELECT, or without --json and --csv/);
    }
  });

  test('ends a query that never ends: after LOOK_TIMEOUT, and when it is told to', async () => {
    const { env, drillDir } = await shop();
    const endless = 'select count(*) from generate_series(1, 1e15::bigint)';
    for (const as of ['--json', '--csv']) {
      const late = await runVerb('look', ['latest', '--query', endless, as], { ...env, LOOK_TIMEOUT: '6s' });
      assert.equal(late.code, 1, late.stderr);
      assert.match(late.stderr, /the look took longer than LOOK_TIMEOUT \(6\.0s\)/);
      await nothingStays(drillDir);
    }
    const printed = startVerb('look', ['latest', '--query', endless], env);
    await prompt(drillDir, 'psql');
    printed.signal('SIGINT');
    const { code, stderr } = await printed.outcome;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /stopped by SIGINT/);
    await nothingStays(drillDir);
  });

  test('gives a prompt at a terminal: Ctrl-C ends a query there and not the look, and \\q leaves', async () => {
    const { env, drillDir, database } = await shop();
    const { running, type } = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'psql');
    type('select pg_sleep(600);\n');
    await until('the query runs', async () => {
      const { n } = await askThrowaway(
        drillDir,
        "select count(*)::int as n from pg_stat_activity where state = 'active' and query ~ 'pg_sleep[(]600'",
      );
      return n > 0 ? true : undefined;
    });
    type('\x03');
    await until('the query has ended', async () => {
      const { n } = await askThrowaway(
        drillDir,
        "select count(*)::int as n from pg_stat_activity where wait_event = 'PgSleep'",
      );
      return n === 0 ? true : undefined;
    });
    type('select 40 + 2 as answer;\n\\q\n');
    const { code, stdout } = await running.outcome;
    assert.equal(code, 0, stdout);
    assert.match(stdout, new RegExp(`look ${database}=# `));
    assert.match(stdout, /canceling statement due to user request/);
    assert.match(stdout, /answer\s+-+\s+42/);
    assert.match(stdout, /left, and removed/);
    await nothingStays(drillDir);
  });

  test('leaves nothing when its terminal is closed, when it is killed, and when it takes too long', async () => {
    const { env, drillDir } = await shop();
    const closed = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'psql');
    closed.running.signal('SIGKILL');
    await nothingStays(drillDir);

    const killed = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'psql');
    const [own] = processesWith('look.mjs', drillDir).filter(({ commandLine }) => /^\S*node /.test(commandLine));
    assert.ok(own, 'the look itself');
    process.kill(own.pid, 'SIGKILL');
    await nothingStays(drillDir, true);
    await killed.running.outcome;

    const late = startAtTerminal('look', ['latest'], { ...env, LOOK_TIMEOUT: '7s' });
    const { code, stdout } = await late.running.outcome;
    assert.equal(code, 1, stdout);
    assert.match(stdout, /longer than LOOK_TIMEOUT/);
    await nothingStays(drillDir);
  });

  test('what one left that was killed with all that it had started is removed by the next, and by a drill; one under way is not', async () => {
    const { env, drillDir } = await shop();
    const leave = async () => {
      const { running } = startAtTerminal('look', ['latest'], env);
      await prompt(drillDir, 'psql');
      for (const { pid } of processesWith('look.mjs', drillDir)) process.kill(pid, 'SIGSTOP');
      for (const { pid, commandLine } of processesWith(drillDir))
        if (/throwaway\.sh|bin\/postgres/.test(commandLine)) process.kill(pid, 'SIGKILL');
      for (const { pid } of processesWith('look.mjs', drillDir)) process.kill(pid, 'SIGKILL');
      await running.outcome;
      assert.equal(readdirSync(drillDir).filter((name) => name.startsWith('look-postgres-')).length, 1);
    };
    await leave();
    const open = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'psql');
    const drill = await runVerb('drill', ['--json'], { ...env, DRILL_CHECKS: '/nonexistent' });
    assert.equal(drill.code, 0, drill.stderr);
    assert.equal((await askThrowaway(drillDir, 'select 7 as n')).n, 7);
    open.type('\\q\n');
    assert.equal((await open.running.outcome).code, 0);
    await leave();
    assert.equal((await runVerb('drill', ['--json'], { ...env, DRILL_CHECKS: '/nonexistent' })).code, 0);
    await nothingStays(drillDir, true);
  });

  test('refuses words that do not go together, and names what is nearest to a key that is not there', async () => {
    const { env, key } = await shop();
    const refused = async (args: string[], says: RegExp) => {
      const { code, stderr } = await runVerb('look', args, env);
      assert.equal(code, 2, stderr);
      assert.match(stderr, says);
    };
    await refused(['latest'], /no terminal for a prompt/);
    await refused([], /no terminal|what is to be looked into/);
    await refused(['--query', 'select 1'], /Give a key or latest, or a moment/);
    await refused(['latest', '--json'], /--json goes with --query/);
    await refused(['latest', '--query', 'select 1', '--json', '--csv'], /not both/);
    await refused(['latest', '--query', ' '], /--query is empty/);
    await refused([key, '--query', 'select 1', '--xid', '77'], /go with no backup/);
    const { code, stderr } = await runVerb('look', [`${key}x`, '--query', 'select 1'], env);
    assert.equal(code, 1);
    assert.ok(stderr.includes(`Nearest: ${key}`), stderr);
  });
});

/** What runs on the throwaway server of MariaDB, as its own socket tells. */
async function said(drillDir: string): Promise<string> {
  const [client] = processesWith(drillDir).flatMap(({ commandLine }) => /--socket=(\S+)/.exec(commandLine)?.[1] ?? []);
  const connection = await createConnection({ socketPath: client ?? '', user: 'root' });
  try {
    const rows: { info: string | null }[] = await connection.query(
      'select info from information_schema.processlist where id <> connection_id()',
    );
    return rows.map(({ info }) => info).join('\n');
  } finally {
    await connection.end();
  }
}

describe('a look into a backup of MariaDB', { skip: noMariaDb, concurrency: 2 }, () => {
  const shopOf = async () => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    return { database, ...(await backedUp(mariadb.env(database))) };
  };

  test('answers as a table, as JSON and as comma-separated values, and leaves nothing', async () => {
    const { database, env, drillDir, key } = await shopOf();
    const asked = 'select id, name, null as nothing, flags, 18446744073709551615 as big from customers where id = 2';
    const json = await runVerb('look', [key, '--query', asked, '--json'], env);
    assert.equal(json.code, 0, json.stderr);
    assert.equal(json.json.database, database);
    assert.deepEqual(json.json.rows, [
      { id: 2, name: 'line\nbreak\r\n(1,2),\n(3)', nothing: null, flags: '0x0001', big: '18446744073709551615' },
    ]);
    const csv = await runVerb('look', [key, '--query', asked, '--csv'], env);
    assert.equal(
      csv.stdout,
      'id,name,nothing,flags,big\n2,"line\nbreak\r\n(1,2),\n(3)",,0x0001,18446744073709551615\n',
    );
    const table = await runVerb(
      'look',
      [key, '--query', 'select database() as here; select count(*) as n from orders'],
      env,
    );
    assert.match(table.stdout, new RegExp(`\\| ${database} +\\|`));
    assert.match(table.stdout, /\| n +\|\n\+-+\+\n\| 15 +\|/);
    const empty = await runVerb('look', [key, '--query', 'select id from customers where id = 77', '--json'], env);
    assert.deepEqual([empty.json.columns, empty.json.rows], [['id'], []]);
    await nothingStays(drillDir);
  });

  test('has no rows of a statement that gives none, those of a procedure, and of several answers says what to do', async () => {
    const { env, database, drillDir } = await shopOf();
    await mariadb.script(
      database,
      `delimiter //
       create procedure one_answer() select id from orders where id < 3 order by id//
       create procedure two_answers() begin select 1 as a; select 2 as b, 3 as c; end//`,
    );
    assert.equal((await runVerb('backup', [], env)).code, 0);
    for (const [sql, as] of [
      ['set @a = 1', '--json'],
      ['update orders set id = id', '--csv'],
    ] as const) {
      const { code, stdout, stderr } = await runVerb('look', ['latest', '--query', sql, as], env);
      assert.equal(code, 0, stderr);
      if (as === '--csv') assert.equal(stdout, '');
      else assert.deepEqual([JSON.parse(stdout).columns, JSON.parse(stdout).rows], [[], []]);
    }
    const one = await runVerb('look', ['latest', '--query', 'call one_answer()', '--csv'], env);
    assert.equal(one.stdout, 'id\n1\n2\n', one.stderr);
    const two = await runVerb('look', ['latest', '--query', 'call two_answers()', '--json'], env);
    assert.equal(two.code, 1, two.stderr);
    assert.match(two.json.error.message, /more than one answer.*without --json and --csv/);
    await nothingStays(drillDir);
  });

  test('says what the server says, ends what never ends, and has a prompt', async () => {
    const { env, drillDir, database } = await shopOf();
    const wrong = await runVerb('look', ['latest', '--query', 'select * from nowhere', '--json'], env);
    assert.equal(wrong.code, 1);
    assert.match(wrong.json.error.message, /Table '.*nowhere' doesn't exist/);
    const late = await runVerb('look', ['latest', '--query', 'select benchmark(1e15, sha2(1, 512))', '--json'], {
      ...env,
      LOOK_TIMEOUT: '12s',
    });
    assert.equal(late.code, 1, late.stderr);
    assert.match(late.stderr, /LOOK_TIMEOUT/);
    await nothingStays(drillDir);
    const { running, type } = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'mariadb');
    type('select 40 + 2 as answer;\nexit\n');
    const { code, stdout } = await running.outcome;
    assert.equal(code, 0, stdout);
    assert.match(stdout, new RegExp(`look ${database}> `));
    assert.match(stdout, /answer \|[\s\S]*42 \|/);
    await nothingStays(drillDir);
  });

  test('names a program that is missing, with its package, and leaves nothing', async () => {
    const { env, drillDir } = await shopOf();
    const programs = temporaryFolder();
    // as root, the throwaway server runs as somebody else
    chmodSync(programs, 0o755);
    for (const name of readdirSync('/usr/bin'))
      if (!['mariadb', 'mysql'].includes(name)) symlinkSync(join('/usr/bin', name), join(programs, name));
    const look = await runVerb('look', ['latest', '--query', 'select 1', '--json'], { ...env, PATH: programs });
    assert.equal(look.code, 1, look.stderr);
    assert.equal(look.json.error.code, 'TOOL_MISSING', look.stderr);
    assert.match(look.json.error.message, /mariadb of MariaDB is not installed here/);
    assert.match(look.json.error.hint, /apt-get install mariadb-client/);
    await nothingStays(drillDir);
  });

  test('leaves nothing by Ctrl-C, when its terminal is closed, and when it is killed', async () => {
    const { env, drillDir } = await shopOf();
    const left = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'mariadb');
    left.type('select sleep(600);\n');
    await until('the query runs', async () => /sleep\(600\)/.test(await said(drillDir)) || undefined);
    left.type('\x03');
    await until('the query has ended', async () => !/sleep\(600\)/.test(await said(drillDir)) || undefined);
    // a Ctrl-C takes with it what is typed and not yet read: so it waits for the second query, and nothing follows it at once
    left.type('select 40 + 2 as answer; select sleep(601);\n');
    await until('the second query runs', async () => /sleep\(601\)/.test(await said(drillDir)) || undefined);
    left.type('\x03');
    await until('it has ended', async () => !/sleep\(601\)/.test(await said(drillDir)) || undefined);
    left.type('\\q\n');
    const { stdout } = await left.running.outcome;
    assert.match(stdout, /answer \|[\s\S]*42 \|/);
    await nothingStays(drillDir);

    const closed = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'mariadb');
    closed.running.signal('SIGKILL');
    await nothingStays(drillDir);

    const killed = startAtTerminal('look', ['latest'], env);
    await prompt(drillDir, 'mariadb');
    const [own] = processesWith('look.mjs', drillDir).filter(({ commandLine }) => /^\S*node /.test(commandLine));
    assert.ok(own, 'the look itself');
    process.kill(own.pid, 'SIGKILL');
    await nothingStays(drillDir, true);
    await killed.running.outcome;
  });
});

test('a folder has nobody to be asked: a look says what to do instead', async () => {
  const files = temporaryFolder();
  place(files, 'a.txt', 'a');
  const { env, drillDir } = await backedUp({ BACKUP_SOURCE_FILES: `file://${files}` });
  const { code, stderr } = await runVerb('look', ['latest', '--query', 'select 1'], env);
  assert.equal(code, 2);
  assert.match(stderr, /is of a folder[\s\S]*restore .*files_.* --to/);
  await nothingStays(drillDir);
});
