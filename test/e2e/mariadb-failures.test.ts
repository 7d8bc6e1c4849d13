import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { quoteIdentifier } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { backUp } from '../support/backups.ts';
import { place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb();

async function shop(content: 'empty' | 'example' = 'example', query = '') {
  const database = mariadb.freshName();
  await mariadb.create(database, content);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...mariadb.env(database, query), BACKUP_DIR: folder };
  return { database, folder, env };
}

/** A folder of its own, as one drill runs in each, that the account of the throwaway server may enter. */
function drillFolder(): string {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  return folder;
}

describe('a backup of MariaDB that cannot be', { skip: missing, concurrency: 2 }, () => {
  test('of a user who does not see all of it names the privilege that is missing', async () => {
    const { database, env } = await shop('empty');
    const user = `u${database}`;
    await mariadb.sql(
      `create user ${user}@'%' identified by 'x'; grant all on \`${database}\`.* to ${user}@'%'; revoke trigger on \`${database}\`.* from ${user}@'%'`,
    );
    const blind = await runVerb('backup', ['--json'], {
      BACKUP_DIR: env.BACKUP_DIR ?? '',
      BACKUP_SOURCE_SHOP: `mariadb://${user}:x@${mariadb.host}:${mariadb.port}/${database}`,
    });
    assert.equal(blind.code, 1);
    assert.match(blind.json.results[0].error, /lacks TRIGGER on .*, and what it may not see would not be in the dump/);
  });

  test('of a wrong configuration says what is wrong before anything is touched', async () => {
    const { env } = await shop('empty');
    for (const query of ['?format=custom', '?format=tape', '?sslmode=perhaps', '?what=ever']) {
      const outcome = await runVerb('backup', [], { ...env, BACKUP_SOURCE_SHOP: `${env.BACKUP_SOURCE_SHOP}${query}` });
      assert.equal(outcome.code, 2, query);
      assert.match(outcome.stderr, /BACKUP_SOURCE_SHOP: /);
    }
  });
});

describe('a restore of MariaDB that cannot be', { skip: missing, concurrency: 2 }, () => {
  test('because the user may not make databases, or foreign keys of others would follow, touches nothing', async () => {
    const { database, env } = await shop();
    await backUp(env);
    const user = `r${database}`;
    await mariadb.sql(
      `create user ${user}@'%' identified by 'x'; grant all on \`${database}\`.* to ${user}@'%'; grant set user on *.* to ${user}@'%'`,
    );
    const poor = {
      BACKUP_DIR: env.BACKUP_DIR ?? '',
      BACKUP_SOURCE_SHOP: `mariadb://${user}:x@${mariadb.host}:${mariadb.port}/${database}`,
    };
    const denied = await runVerb('restore', ['latest', '--json'], poor);
    assert.equal(denied.json.error.code, 'RESTORE_REFUSED', denied.stderr);
    assert.match(denied.json.error.hint, /GRANT ALL ON/);
    const other = mariadb.freshName();
    await mariadb.create(other, 'empty');
    await mariadb.sql(
      `create table child (x int, foreign key (x) references \`${database}\`.tree (id))`,
      undefined,
      other,
    );
    const referenced = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(referenced.code, 1);
    assert.match(referenced.json.error.message, /foreign keys of other databases refer to tables/);
    assert.deepEqual(await mariadb.beside(database), [database]);
    await mariadb.sql(`drop database \`${other}\``);
  });

  test('ends the connections of clients; an open transaction of theirs does not stop it', async () => {
    const { database, env } = await shop();
    await backUp(env);
    const client = await mariadb.connect(database);
    client.on('error', () => {});
    await client.query('begin; update tree set parent = 1 where id = 2');
    const restore = await done('restore', ['latest', '--json'], env);
    assert.match(restore.stderr, /ending the connections to .*: 1 × root/);
    await assert.rejects(client.query('commit'));
  });

  test('that was killed while it swapped is completed by the next undo, which then undoes it', async () => {
    const { database, env } = await shop();
    await backUp(env);
    await mariadb.sql('insert into tree values (7, 1)', undefined, database);
    const live = await mariadb.dump(database);
    // a session of no database is not ended, and its lock holds the swap up
    const holder = await mariadb.connect();
    await holder.query(`lock tables ${quoteIdentifier(database)}.files read`);
    const running = startVerb('restore', ['latest'], env);
    await until('the tables are to change places', async () => {
      const rows = await mariadb.sql(
        "select 1 from information_schema.processlist where info like 'rename table%' and state like 'Waiting%'",
      );
      return rows.length > 0 ? true : undefined;
    });
    running.signal('SIGKILL');
    await running.outcome;
    await holder.end();
    await until('its sessions have ended', async () => {
      const rows = await mariadb.sql("select 1 from information_schema.processlist where info like 'rename table%'");
      return rows.length === 0 || undefined;
    });
    const refused = await runVerb('backup', ['--json'], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(
      refused.json.results[0].error,
      /was interrupted while it put the restored tables in place.*make restore-undo/,
    );
    const undo = await done('restore', ['--undo', '--json'], env);
    assert.match(undo.stderr, /was interrupted during the swap: completing it first/);
    assert.equal(await mariadb.dump(database), live);
    assert.deepEqual(await mariadb.beside(database), [database, undo.json.keptAs]);
    await backUp(env);
  });
});

describe('a drill of a MariaDB backup', { skip: missing, concurrency: 2 }, () => {
  test('proves a good one on a throwaway server and leaves nothing of it', async () => {
    const { env } = await shop();
    const { manifest } = await backUp(env);
    const checks = temporaryFolder();
    place(checks, 'orders.sql', 'select * from orders where total < 0');
    const { json } = await done('drill', ['--json'], {
      ...env,
      DRILL_CHECKS: checks,
      DRILL_DIR: drillFolder(),
    });
    const [result] = json.results;
    assert.deepEqual(
      result.checks.map(({ name, ok }: { name: string; ok: boolean }) => `${name} ${ok}`),
      [
        'digest',
        'restored without an error',
        'row counts',
        'sequences',
        'large objects',
        'owner, grants and settings',
        'content',
        'definitions',
        'server version',
        'character set of the database',
        'CHECK TABLE',
        'foreign keys',
        'views',
        'code',
        'orders.sql',
      ].map((name) => `${name} true`),
    );
    assert.equal(result.tables.length, manifest.tables.length);
  });

  test('fails one whose rows refer to nothing, or that breaks a rule of the operator', async () => {
    const { database, env } = await shop();
    await mariadb.sql('set foreign_key_checks = 0; delete from customers where id = 1', undefined, database);
    await backUp(env);
    const checks = temporaryFolder();
    place(checks, 'a.sql', 'select id from orders where id < 3');
    place(checks, 'b.sql', 'delete from orders');
    place(checks, 'c.sql', 'select 1; drop table orders');
    place(checks, 'd.sql', "select 1 into outfile '/tmp/x'");
    place(checks, 'e.sql', 'drop table orders');
    const { code, json } = await runVerb('drill', ['--json'], {
      ...env,
      DRILL_CHECKS: checks,
      DRILL_DIR: drillFolder(),
    });
    assert.equal(code, 1);
    const failed = json.results[0].checks.filter(({ ok }: { ok: boolean }) => !ok);
    assert.deepEqual(
      failed.map(({ name }: { name: string }) => name),
      ['foreign keys', 'a.sql', 'b.sql', 'c.sql', 'd.sql', 'e.sql'],
      JSON.stringify(failed),
    );
    assert.match(
      failed[0].detail,
      /rows that refer to nothing: orders \(orders_customer, \d+ rows?\), orders \(orders_ibfk_1, \d+ rows?\)/,
    );
    assert.match(failed[2].detail, /tries to write/);
  });
});
