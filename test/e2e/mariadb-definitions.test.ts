import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, type runVerb, until } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb(['--event-scheduler=OFF']);

async function shop(script: (database: string) => string) {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, script(database));
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const env = { ...mariadb.env(database), BACKUP_DIR: folder, DRILL_DIR: folder };
  const does = async (verb: Parameters<typeof runVerb>[0], ...args: string[]) => {
    const { stderr } = await done(verb, args, env);
    return stderr;
  };
  return { database, does, env };
}

describe('definitions that fit one database alone', { skip: missing, concurrency: 2 }, () => {
  test('come back everywhere: a view whose definer may read the live database only, functions called with their database', async () => {
    const { database, does } = await shop(
      (name) => `create user if not exists app@'%'; grant all on ${name}.* to app@'%';
        create table orders (id int primary key); insert into orders select seq from seq_1_to_100;
        create function f(x int) returns int deterministic return x + 1;
        create definer = app@'%' view big as select *, ${name}.f(id) as g, '\`${name}\`.\`orders\`.\`id\`' as text from orders where id > 50;
        create view bigger as select * from big; create view all_of_it as select * from bigger`,
    );
    const before = await mariadb.dump(database);
    await does('backup');
    await does('drill');
    await does('restore', 'latest', '--to', `${database}_copy`);
    assert.deepEqual(
      await mariadb.sql(`select count(*) as n, min(g) as g from \`${database}_copy\`.orders, (select 52 as g) x`),
      [{ n: 100, g: 52 }],
    );
    await mariadb.sql(`delete from ${database}.orders`);
    await does('restore', 'latest');
    assert.equal(await mariadb.dump(database), before);
    await does('restore', '--undo');
    assert.deepEqual(await mariadb.sql(`select count(*) as n from ${database}.bigger`), [{ n: 0 }]);
  });

  test('of a sequence in a default: it follows the table, into the copy, the live and the kept database', async () => {
    const { database, does } = await shop(
      () => `create sequence s start with 100 nocache;
        create table orders (id bigint primary key default nextval(s), note text); insert into orders (note) values ('a'), ('b')`,
    );
    await does('backup');
    await does('drill');
    await does('restore', 'latest', '--to', `${database}_copy`);
    await does('restore', 'latest');
    const [kept] = (await mariadb.beside(database)).filter((name) => name.includes('_previous_'));
    for (const name of [database, `${database}_copy`, kept]) {
      await mariadb.sql(`insert into \`${name}\`.orders (note) values ('c')`);
      assert.deepEqual(await mariadb.sql(`select max(id) as id from \`${name}\`.orders`), [{ id: 102 }], name);
    }
    await mariadb.sql(`drop database ${database}`);
    await does('restore', 'latest');
    await mariadb.sql(`insert into ${database}.orders (note) values ('c')`);
  });

  test('of several sequences in the defaults of a table, in expressions: each follows it', async () => {
    const { database, does } = await shop(
      (name) => `create sequence s start with 100 nocache; create sequence no start with 7 nocache;
        create table orders (id bigint primary key default nextval(s), no varchar(40) default (concat('ORD-', nextval(no))),
          last bigint default (lastval(s)), note varchar(60) default 'nextval(\`${name}\`.\`s\`)');
        insert into orders () values (), ()`,
    );
    const before = await mariadb.dump(database);
    await does('backup');
    await does('drill');
    await does('restore', 'latest', '--to', `${database}_copy`);
    await does('restore', 'latest');
    assert.equal(await mariadb.dump(database), before);
    const [kept] = (await mariadb.beside(database)).filter((name) => name.includes('_previous_'));
    for (const name of [database, `${database}_copy`, kept]) {
      await mariadb.sql(`insert into \`${name}\`.orders () values ()`);
      assert.deepEqual(
        await mariadb.sql(`select id, no, note from \`${name}\`.orders order by id desc limit 1`),
        [{ id: 102, no: 'ORD-9', note: `nextval(\`${database}\`.\`s\`)` }],
        name,
      );
    }
    await does('restore', '--undo');
    await mariadb.sql(`insert into ${database}.orders () values ()`);
  });

  test('of a key to a table that was not there: the kept database holds nothing of the live one', async () => {
    const { database, does } = await shop(
      () => `create table customers (id int primary key); insert into customers values (1), (2), (3);
        create table orders (id int primary key, c int, constraint its foreign key (c) references customers (id) on delete cascade);
        insert into orders values (1, 1)`,
    );
    const before = await mariadb.dump(database);
    await does('backup');
    await mariadb.script(
      database,
      'insert into orders values (3, 3); set foreign_key_checks = 0; drop table customers',
    );
    await does('restore', 'latest');
    await mariadb.sql(`delete from ${database}.customers where id = 3; insert into ${database}.customers values (3)`);
    await does('restore', 'latest');
    assert.equal(await mariadb.dump(database), before);
    await does('restore', '--undo');
    await does('restore', '--undo');
    const [{ n }] = await mariadb.sql(
      `select count(*) as n from information_schema.referential_constraints
       where constraint_schema like '${database}%' and unique_constraint_schema <> constraint_schema`,
    );
    assert.equal(n, 0);
  });

  test('of accounts with spaces, quotes and an @, and of events whose hour has passed', async () => {
    const { database, does } = await shop(
      () => `create table orders (id int primary key);
        create user if not exists 'shop admin'@'%', 'me@example.org'@'%', 'o\`clock'@'%';
        create definer = 'shop admin'@'%' event e1 on schedule every 1 day starts '2026-01-01 00:00:00' do delete from orders;
        create definer = 'me@example.org'@'%' event e2 on schedule every 1 day starts '2026-01-01 00:00:00' do delete from orders;
        create definer = 'o\`clock'@'%' event e3 on schedule every 1 day starts '2026-01-01 00:00:00' disable do delete from orders`,
    );
    const before = await mariadb.dump(database);
    await mariadb.sql(
      'create event gone on schedule at now() + interval 8 second do delete from orders',
      undefined,
      database,
    );
    await does('backup');
    await until('the time of the event is over', async () => {
      const rows = await mariadb.sql(
        "select 1 from information_schema.events where event_schema = ? and event_name = 'gone' and execute_at > now()",
        [database],
      );
      return rows.length === 0 || undefined;
    });
    assert.match(await does('drill'), /events whose time is over are left out.*gone/);
    await mariadb.sql('drop table orders', undefined, database);
    await does('restore', 'latest');
    assert.equal(await mariadb.dump(database), before);
  });

  test('of other databases: a drill and a new server have the rest, and say what is left out', async () => {
    const { database: crm, does: doesCrm } = await shop(() => 'create table people (id int primary key)');
    const { database, does } = await shop(
      () => `create table orders (id int primary key); insert into orders values (1);
        create view who as select o.id, p.id as p from orders o join ${crm}.people p on p.id = o.id;
        create view counted as select count(*) as n from who`,
    );
    await mariadb.sql(
      `create view what as select p.id from people p join ${database}.orders o on o.id = p.id`,
      undefined,
      crm,
    );
    await does('backup');
    await doesCrm('backup');
    assert.match(await does('drill'), new RegExp(`the view who is left out.*${crm}`));
    await mariadb.sql(`drop database ${database}; drop database ${crm}`);
    await does('restore', 'latest');
    await doesCrm('restore', 'latest');
    await does('restore', 'latest');
    assert.deepEqual(await mariadb.sql(`select n from ${database}.counted`), [{ n: 0 }]);
  });
});
