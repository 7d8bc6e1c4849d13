import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { handMadeDump, place, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { damagedShop, handMadeShop } from '../support/restored-shops.ts';
import { startStore } from '../support/stores.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** A dump that is loaded only once there is a role of that name. */
function waitingDump(role: string): string {
  return handMadeDump(`create table made ();
    do $$ begin
      while not exists (select from pg_roles where rolname = '${role}') loop perform pg_sleep(0.05); end loop;
    end $$;`);
}

/** Until the hand-made dump that sleeps is being loaded into a database beside this one. */
async function untilLoading(database: string): Promise<void> {
  await until('the dump is loading', async () => {
    const rows = await postgres.sql(
      'postgres',
      "select 1 from pg_stat_activity where query ~ 'pg_sleep.120' and datname ~ $1",
      [`^${database}_`],
    );
    return rows.length > 0 ? true : undefined;
  });
}

describe('a restore that goes wrong', { skip: missing, concurrency: 3 }, () => {
  for (const [what, command] of [
    ['a command for the shell', '\\! touch FILE'],
    ['a file that is written', '\\o FILE'],
    ['an end to the restricted mode that is a guess', '\\unrestrict x\n\\! touch FILE'],
    ['a restricted mode of its own, and its end', '\\restrict x\n\\unrestrict x\n\\! touch FILE'],
  ] as const) {
    for (const position of ['first', 'last'] as const) {
      test(`runs nothing that a dump holds for psql: ${what}, ${position}`, async () => {
        const { database, folder, env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
        const file = join(temporaryFolder(), 'pwned');
        const key = `2026/01/02/${database}_000000.sql`;
        const bait = command.replaceAll('FILE', file);
        const rows = `create table made (line text);\n${'select 1;\n'.repeat(2_000)}`;
        place(folder, key, handMadeDump(position === 'first' ? `${bait}\n${rows}` : `${rows}${bait}`));
        const before = await postgres.fingerprint(database);
        const outcome = await runVerb('restore', [key, '--json'], env);
        assert.equal(outcome.code, 1, outcome.stderr);
        assert.match(outcome.json.error.message, /restrict/);
        assert.equal(existsSync(file), false);
        assert.deepEqual(await postgres.fingerprint(database), before);
      });
    }
  }

  test('of a backup without a manifest says what it cannot compare', async () => {
    const { database, env, contents, key } = await damagedShop(postgres);
    rmSync(join(env.BACKUP_DIR, key.replace('.sql.gz', '.json')));
    const list = await runVerb('list', [], env);
    assert.match(list.stdout, new RegExp(`^${key} .*no manifest\n$`));
    const outcome = await done('restore', [key, '--json'], env);
    assert.match(outcome.stderr, /no manifest: its digest and row counts cannot be compared/);
    assert.deepEqual(await postgres.contents(database), contents);
  });

  test('makes the live database when it is gone', async () => {
    const { database, env, contents, key } = await damagedShop(postgres);
    await postgres.sql('postgres', `drop database "${database}"`);
    const outcome = await done('restore', ['latest', '--json'], env);
    assert.equal(outcome.json.previousDatabase, null);
    assert.equal(outcome.json.safetyBackup, null);
    assert.deepEqual(await postgres.contents(database), contents);
    assert.deepEqual(await postgres.beside(database), [database]);
    assert.equal(outcome.json.key, key);
  });

  test('stops at the first error of the dump: nothing after it is run, the live database stays', async () => {
    const { database, folder, env } = await handMadeShop(postgres, []);
    const key = `2026/01/01/${database}_000000.sql`;
    place(
      folder,
      key,
      handMadeDump(`create table one (); insert into nowhere values (1);
        create role ${database}_intruder; drop database "${database}";`),
    );
    const before = await postgres.fingerprint(database);
    const outcome = await runVerb('restore', [key, '--json'], env);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.equal(outcome.json.error.code, 'RESTORE_FAILED', outcome.stderr);
    assert.match(outcome.json.error.message, /relation "nowhere" does not exist/);
    assert.deepEqual(await postgres.fingerprint(database), before);
    assert.deepEqual(await postgres.beside(database), [database]);
    assert.deepEqual(
      await postgres.sql('postgres', 'select from pg_roles where rolname = $1', [`${database}_intruder`]),
      [],
    );
  });

  test('says nothing of its own workings, however often the loading program keeps it waiting', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      database,
      `create function rests() returns boolean language plpgsql as $$ begin perform pg_sleep(0.3); return true; end $$;
       create table a_slow (n int check (public.rests()));
       create table bulk as select n, repeat(md5(n::text), 32) as text from generate_series(1, 12000) n;
       insert into a_slow values (1)`,
    );
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_COMPRESSION: 'none' };
    await done('backup', [], env);
    const { stderr } = await done('restore', ['latest'], env);
    assert.doesNotMatch(stderr, /Warning|listeners/);
  });

  test('that was killed leaves a staging database, which the next restore removes', async () => {
    const { database, folder, keys, env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
    const slow = `2026/01/02/${database}_000000.sql`;
    place(folder, slow, handMadeDump('create table made (); select pg_sleep(120);'));
    const before = await postgres.fingerprint(database);
    const running = startVerb('restore', [slow], env);
    await untilLoading(database);
    running.signal('SIGKILL');
    assert.equal((await running.outcome).signal, 'SIGKILL');
    const [, leftover = ''] = await postgres.beside(database);
    assert.match(leftover, /_restoring_\d{14}$/);
    assert.deepEqual(await postgres.fingerprint(database), before);
    running.signalAll('SIGKILL');
    const outcome = await done('restore', [keys[0] ?? '', '--json'], env);
    assert.match(outcome.stderr, new RegExp(`removing ${leftover}`));
    assert.deepEqual(await postgres.beside(database), [database, outcome.json.previousDatabase]);
  });

  test('beside another restore of the same database ends with 4, and the first goes on', async () => {
    const { database, folder, env } = await handMadeShop(postgres, []);
    const key = `2026/01/02/${database}_000000.sql`;
    place(folder, key, waitingDump(`${database}go`));
    const first = startVerb('restore', [key], env);
    await until('the first has its staging database', async () => (await postgres.beside(database))[1]);
    const second = await runVerb('restore', [key, '--json'], env);
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.json.error.message, /another restore of shop_\d+_ is running/);
    assert.equal((await runVerb('restore', ['--undo'], env)).code, 4);
    await postgres.sql('postgres', `create role ${database}go`);
    const { code, stderr } = await first.outcome;
    assert.equal(code, 0, stderr);
  });

  test('counts though the safety backup fails, says so, and the replaced database stays', async () => {
    const { double, storeEnv } = await startStore();
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), ...storeEnv };
    await done('backup', [], env);
    const before = await postgres.fingerprint(database);
    const stored = [...double.objects.keys()];
    double.change({ allow: ['ListObjectsV2', 'GetObject'] });
    const outcome = await done('restore', ['latest', '--json'], env);
    assert.equal(outcome.json.safetyBackup, null);
    assert.match(outcome.stderr, /warn: the restore is done, but the safety backup failed: .*AccessDenied/);
    assert.deepEqual(await postgres.fingerprint(outcome.json.previousDatabase), before);
    assert.deepEqual([...double.objects.keys()], stored);
  });

  for (const [name, code] of [
    ['SIGTERM', 1],
    ['SIGINT', 1],
  ] as const) {
    test(`ended by ${name} while it loads leaves the live database, no staging one, and no process`, async () => {
      const { database, folder, env } = await handMadeShop(postgres, []);
      const key = `2026/01/02/${database}_000000.sql`;
      place(folder, key, handMadeDump('create table made (); select pg_sleep(120);'));
      const before = await postgres.fingerprint(database);
      const running = startVerb('restore', [key], env, { by: 'node' });
      await untilLoading(database);
      running.signal(name);
      const outcome = await running.outcome;
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, new RegExp(`stopped by ${name}`));
      assert.deepEqual(running.processes(), []);
      assert.deepEqual(await postgres.beside(database), [database]);
      assert.deepEqual(await postgres.fingerprint(database), before);
    });
  }

  test('refuses a source that is not configured, and restores into another one only when told to', async () => {
    const { database, key, env, contents } = await damagedShop(postgres);
    const url = `postgres://${postgres.user}@${postgres.host}:${postgres.port}/${database}`;
    const { BACKUP_DIR } = env;
    const renamed = { BACKUP_DIR, BACKUP_SOURCE_OTHER: url };
    const refused = await runVerb('restore', [key, '--json'], renamed);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.json.error.message, new RegExp(`no source "${database}" is configured`));
    assert.match(refused.json.error.hint, /--source/);
    const two = { ...renamed, BACKUP_SOURCE_THIRD: url };
    const which = await runVerb('restore', ['latest', '--json'], two);
    assert.equal(which.code, 2);
    assert.match(which.json.error.hint, /other, third/);
    const outcome = await done('restore', [key, '--source', 'other', '--json'], renamed);
    assert.match(outcome.stderr, /is restored into source other/);
    assert.deepEqual(await postgres.contents(database), contents);
  });
});
