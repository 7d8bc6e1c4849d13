import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { quoteIdentifier } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { backUp } from '../support/backups.ts';
import { place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb();

async function shop(content: 'empty' | 'example' = 'example', query = '') {
  const database = mariadb.freshName();
  await mariadb.create(database, content);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...mariadb.env(database, query), BACKUP_DIR: folder };
  return { database, folder, env };
}

const handMade = (sql: string) => `${sql}\n-- Dump completed on 2026-01-01  0:00:00\n`;

describe('a backup of MariaDB and its restore', { skip: missing, concurrency: 2 }, () => {
  for (const compression of ['gzip', 'zstd', 'none']) {
    test(`bring back every row and every object: ${compression}`, async () => {
      const { database, env } = await shop('example', `?compression=${compression}`);
      const before = await mariadb.dump(database);
      const { manifest } = await backUp(env);
      const [{ n: audited }] = await mariadb.sql('select count(*) as n from audit', undefined, database);
      assert.deepEqual(
        manifest.tables.map(({ table, rows }) => `${table} ${rows}`),
        [
          ...['`Upper_Case.dot` 4', `audit ${audited}`, 'customers 4', 'files 3', 'nothing_in_it 0', '`odd ``name` 2'],
          ...['orders 15', 'tree 3'],
        ],
      );
      assert.deepEqual(manifest.sequences, [{ sequence: 'numbers', value: '170', isCalled: false }]);
      await mariadb.sql(
        `set foreign_key_checks = 0; drop table customers; delete from files; drop view a_first; drop procedure close_old;
         drop trigger orders_before; create table stray (x int); select nextval(numbers)`,
        undefined,
        database,
      );
      const restore = await done('restore', ['latest', '--json'], env);
      assert.equal(await mariadb.dump(database), before);
      assert.deepEqual(await mariadb.beside(database), [database, restore.json.previousDatabase]);
      assert.match(restore.stderr, /the view big_orders of the replaced database could not be kept/);
      // of a database with a broken view there is a safety backup all the same
      assert.match(restore.json.safetyBackup, /^\d{4}\//, restore.stderr);
    });
  }

  test('need no help from us: gunzip into mariadb restores it without an error', async () => {
    const { database, folder, env } = await shop();
    const { key } = await backUp(env);
    const other = mariadb.freshName();
    await mariadb.create(other, 'empty');
    const sql = gunzipSync(readFileSync(join(folder, key))).toString('latin1');
    // a trigger named with its database is what its author wanted, and mariadb-dump has it as it is
    await mariadb.script(other, Buffer.from(sql.replaceAll(`\`${database}\`.`, ''), 'latin1'));
    assert.equal(await mariadb.dump(other), await mariadb.dump(database));
  });

  test('are undone by one command, and that again by another', async () => {
    const { database, env } = await shop();
    await backUp(env);
    const backedUp = await mariadb.dump(database);
    await mariadb.sql(
      'delete from files; insert into tree values (9, 1); drop event sleeping; alter event nightly disable',
      undefined,
      database,
    );
    const live = await mariadb.dump(database);
    const { json } = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(await mariadb.dump(database), backedUp);
    const undo = await done('restore', ['--undo', '--json'], env);
    assert.equal(undo.json.restoredFrom, json.previousDatabase);
    assert.equal(await mariadb.dump(database), live);
    assert.deepEqual(await mariadb.beside(database), [database, undo.json.keptAs]);
    const nothing = await runVerb('restore', ['--undo', '--json'], env);
    assert.equal(nothing.code, 1);
    assert.match(nothing.json.error.message, /there is nothing to undo/);
    const status = await runVerb('status', ['--json'], env);
    assert.deepEqual(
      status.json.sources[0].keptDatabases.map(({ name, role }: { name: string; role: string }) => [name, role]),
      [[undo.json.keptAs, 'undone']],
    );
    await done('cleanup', ['--json'], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(await mariadb.beside(database), [database]);
  });

  test('count the rows that are in the dump, though clients write all the time', async () => {
    const { database, env } = await shop('empty', '?compression=zstd');
    await mariadb.sql(
      `create table ledger (id bigint auto_increment primary key, note varchar(100)); create table mirror (id bigint primary key, note varchar(100));
       insert into ledger select null, repeat('x', 90) from seq_1_to_20000; insert into mirror select * from ledger`,
      undefined,
      database,
    );
    let isWriting = true;
    const writers = [0, 1].map(async () => {
      const connection = await mariadb.connect(database);
      while (isWriting) {
        await connection.query(
          "begin; insert into ledger (note) values ('a'), ('b'); insert into mirror values (last_insert_id(), 'a'), (last_insert_id() + 1, 'b'); commit",
        );
      }
      await connection.end();
    });
    try {
      for (let round = 0; round < 3; round += 1) {
        const { key, manifest } = await backUp(env);
        const rows = Object.fromEntries(manifest.tables.map(({ table, rows: n }) => [table, n]));
        assert.equal(rows.ledger, rows.mirror);
        assert.ok((rows.ledger ?? 0) > 20_000);
        const to = `${database}_${round}`;
        await done('restore', [key, '--to', to, '--json'], env);
        const [{ n }] = await mariadb.sql('select count(*) as n from ledger natural join mirror', undefined, to);
        assert.equal(n, rows.ledger);
      }
    } finally {
      isWriting = false;
      await Promise.all(writers);
    }
  });

  test('keep events from running anywhere but in the live database', async () => {
    const { database, env } = await shop('empty');
    await mariadb.sql(
      'create table ticks (at timestamp(6)); create event tick on schedule every 1 second do insert into ticks values (now(6))',
      undefined,
      database,
    );
    await backUp(env);
    const restore = await done('restore', ['latest', '--json'], env);
    const statuses = await mariadb.sql(
      'select event_schema as db, status from information_schema.events where event_schema like ? order by length(event_schema)',
      [`${database}%`],
    );
    assert.deepEqual(
      statuses.map(({ db, status }) => [db, status]),
      [
        [database, 'ENABLED'],
        [restore.json.previousDatabase, 'SLAVESIDE_DISABLED'],
      ],
    );
    const beside = await runVerb('restore', ['latest', '--to', `${database}_copy`], env);
    assert.match(beside.stderr, /events do not run in a copy beside the live database: tick/);
  });

  test('name what a dump cannot hold, and who the restored code runs as but is missing', async () => {
    const { database, env } = await shop('empty');
    await mariadb.sql(
      `create table old_style (x int) engine = MyISAM;
       create table base (x int); create view broken as select * from base; drop table base;
       create definer = nobody@nowhere procedure p() select 1`,
      undefined,
      database,
    );
    const { stderr, manifest } = await backUp(env);
    assert.match(stderr, /are not transactional.*: old_style \(MyISAM\)/);
    assert.match(stderr, /are not in the dump, as they could not be restored: broken/);
    assert.deepEqual(
      manifest.roles?.filter((role) => role.startsWith('nobody')),
      ['nobody@nowhere'],
    );
    const restore = await done('restore', ['latest', '--json'], env);
    assert.match(restore.stderr, /run as accounts that this server lacks.*: nobody@nowhere/);
  });

  test('leave the live database alone, whatever a dump says', async () => {
    const { database, folder, env } = await shop();
    const before = await mariadb.dump(database);
    const other = quoteIdentifier(database);
    for (const [sql, message] of [
      // the one that was dumped is the staging one here
      [`CREATE DATABASE /*!32312 IF NOT EXISTS*/ ${other};\nUSE ${other};\ndrop table tree;`, /Unknown table/],
      [`USE ${other};\nUSE \`elsewhere\`;`, /not loaded: it holds more than one database/],
      [`DROP DATABASE ${other};\nDROP DATABASE elsewhere;`, /not loaded: it holds more than one database/],
      [`use ${other}; drop table tree;`, /not loaded: it changes to another database/],
      [
        'create table one (x int);\ninsert into nowhere values (1);\ncreate table two (x int);',
        /nowhere' doesn't exist/,
      ],
      ['create table one (x int);\n\\! touch /tmp/pwned\n', /Unknown command/],
      [
        `DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=\`root\`@\`localhost\`*/ /*!50003 trigger ${other}.new_one before insert on ${other}.nothing_in_it for each row set new.x = 1 */;;\nDELIMITER ;`,
        /nothing_in_it' doesn't exist/,
      ],
    ] as const) {
      const key = `2026/01/01/shop_000000.sql`;
      place(folder, key, handMade(sql));
      const restore = await runVerb('restore', [key, '--json'], env);
      assert.equal(restore.code, 1, restore.stderr);
      assert.equal(restore.json.error.code, 'RESTORE_FAILED');
      assert.match(restore.json.error.message, message);
      assert.deepEqual(await mariadb.beside(database), [database]);
    }
    assert.equal(await mariadb.dump(database), before);
  });

  test('made by another program, or with other options, are restored, or it is said what to do', async () => {
    const { database, folder, env } = await shop();
    const name = quoteIdentifier(database);
    const end = '/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n';
    const rows =
      '/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\ncreate table one (x int);\ninsert into one values (1);\n';
    const restored = async (time: string, text: string) => {
      place(folder, `2026/01/01/shop_${time}.sql`, text);
      return runVerb('restore', [`2026/01/01/shop_${time}.sql`, '--to', `${database}_${time}`], env);
    };
    for (const [time, text] of [
      [
        '000001',
        `CREATE DATABASE /*!32312 IF NOT EXISTS*/ ${name} /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n\nUSE ${name};\n${rows}${end}`,
      ],
      ['000002', `${rows}${end}`],
      ['000003', `${rows}\n-- Dump completed on 2026-01-01  0:00:00\r\n`],
    ] as const) {
      const { code, stderr } = await restored(time, text);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await mariadb.sql(`select x from \`${database}_${time}\`.one`), [{ x: 1 }]);
    }
    const unknown = await restored('000004', rows);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /whether this dump is whole cannot be told.*\n.*echo '-- Dump completed'/);
  });

  test('restore beside the live database, into one that is not there or is empty', async () => {
    const { database, env } = await shop();
    await backUp(env);
    const before = await mariadb.dump(database);
    const copy = `${database}copy`;
    await mariadb.create(`${copy}2`, 'empty');
    for (const to of [copy, `${copy}2`]) {
      const restore = await done('restore', ['latest', '--to', to, '--json'], env);
      assert.equal(restore.json.previousDatabase, null);
      assert.equal((await mariadb.dump(to)).replaceAll('DISABLE ON SLAVE', 'ENABLE'), before);
    }
    const again = await runVerb('restore', ['latest', '--to', copy, '--json'], env);
    assert.match(again.json.error.message, /exists and is not empty/);
    await mariadb.sql(`drop database ${quoteIdentifier(database)}`);
    await done('restore', ['latest', '--json'], env);
    assert.equal(await mariadb.dump(database), before);
  });

  test('list the databases of a server at each run, its own and kept ones left out', async () => {
    const { database, env } = await shop('empty');
    const kept = `${database}_previous_20260101000000`;
    await mariadb.sql(
      `create database \`${kept}\` comment 'compose-db-backup: previous of "${database}" as "${kept}"'`,
    );
    const { BACKUP_SOURCE_SHOP, ...rest } = env;
    const all = { ...rest, BACKUP_SOURCE_ALL: BACKUP_SOURCE_SHOP?.replace(/[^/]*$/, '*') ?? '' };
    const password = mariadb.password ? { BACKUP_SOURCE_ALL_PASSWORD: mariadb.password } : {};
    const { BACKUP_SOURCE_SHOP_PASSWORD: _, ...environment } = { ...all, ...password } as Record<string, string>;
    const { json } = await runVerb('status', ['--json'], environment);
    const names = json.sources.map(({ source }: { source: string }) => source);
    assert.ok(names.includes(`all.${database}`), names.join());
    for (const name of ['mysql', 'sys', 'information_schema', 'performance_schema', kept])
      assert.ok(!names.includes(`all.${name}`), name);
  });
});

describe('accounts and grants of MariaDB', { skip: missing }, () => {
  test('come back where they are missing, and are left as they are where not', async () => {
    const { database, env } = await shop();
    const [here, gone, role] = [`h${database}`, `g${database}`, `r${database}`];
    await mariadb.sql(
      `create role ${role}; create user ${here}@'%' identified by 'one'; create user ${gone}@'%' identified by 'two';
       grant select on \`${database}\`.* to ${here}@'%'; grant ${role} to ${gone}@'%';
       grant execute on procedure \`${database}\`.close_old to ${role}; grant update (total) on \`${database}\`.orders to ${gone}@'%';
       create definer = ${gone}@'%' view \`${database}\`.theirs as select 1 as one`,
    );
    const grants = async (account: string) =>
      (await mariadb.sql(`show grants for ${account}`)).map((row) => Object.values(row)[0]).sort();
    const before = [await grants(`${gone}@'%'`), await grants(role)];
    const { stderr } = await backUp(env);
    assert.doesNotMatch(stderr, /accounts|grants/);
    await mariadb.sql(
      `drop database \`${database}\`; drop user ${gone}@'%'; drop role ${role}; revoke all on \`${database}\`.* from ${here}@'%'`,
    );
    const restore = await done('restore', ['latest', '--json'], env);
    assert.match(restore.stderr, /made accounts that the server lacked/);
    assert.doesNotMatch(restore.stderr, /warn: (not granted|accounts|views)/);
    assert.deepEqual([await grants(`${gone}@'%'`), await grants(role)], before);
    assert.equal((await grants(`${here}@'%'`)).length, 1);
    const connection = await mariadb.connect(database, gone, 'two');
    await connection.end();
  });

  test('are given for packages, to everybody on a new server, and what an account lacks that is there is told', async (t) => {
    const { database, env } = await shop('empty');
    const [here, role, runs] = [`h${database}`, `r${database}`, `p${database}`];
    const [{ version }] = await mariadb.sql(`select regexp_substr(version(), '[0-9]+[.][0-9]+') as version`);
    const [major, minor] = String(version).split('.').map(Number);
    if ((major ?? 0) * 100 + (minor ?? 0) < 1011) return t.skip('PUBLIC came with MariaDB 10.11');
    await mariadb.script(
      database,
      `create table orders (id int primary key, note text); insert into orders values (1, 'a');
       create role ${role}; create user ${here}@'%'; create user ${runs}@'%';
       grant select on orders to ${here}@'%'; grant ${role} to ${here}@'%';
       grant select, insert (id) on orders to public; grant show view on \`${database}\`.* to public;
       create definer = ${here}@'%' view noted as select id from orders;
       revoke select on orders from ${here}@'%'; grant update on orders to ${here}@'%';
       set sql_mode = 'ORACLE';
       delimiter //
       create package pk as function f return int; end//
       create package body pk as function f return int as begin return 1; end; end//
       delimiter ;
       grant execute on package pk to ${runs}@'%'; grant execute on package body pk to ${runs}@'%';`,
    );
    const held = async () => [
      await mariadb.sql(
        `select user, table_priv, column_priv from mysql.tables_priv where db = '${database}' and user = 'PUBLIC'`,
      ),
      await mariadb.sql(`select user, show_view_priv from mysql.db where db = '${database}'`),
      await mariadb.sql(
        `select user, routine_type, proc_priv from mysql.procs_priv where db = '${database}' order by 1, 2`,
      ),
    ];
    const before = await held();
    assert.deepEqual(
      before.map((rows) => rows.length),
      [1, 1, 2],
    );
    await backUp(env);
    await done('drill', ['latest'], env);
    const swapped = await done('restore', ['latest'], env);
    assert.doesNotMatch(swapped.stderr, /not granted/);
    assert.deepEqual(await held(), before);
    await mariadb.sql(
      `drop database \`${database}\`; drop user ${runs}@'%'; revoke update on \`${database}\`.orders from ${here}@'%';
       revoke ${role} from ${here}@'%'; revoke all on \`${database}\`.orders from public; revoke all on \`${database}\`.* from public`,
    );
    const restored = await done('restore', ['latest'], env);
    assert.deepEqual(await held(), before);
    assert.match(restored.stderr, new RegExp(`warn: the account .${here}.@.%. was there, .* GRANT UPDATE ON `));
    assert.match(restored.stderr, new RegExp(`GRANT .${role}. TO`));
    await mariadb.sql(`revoke all on \`${database}\`.* from public; revoke all on \`${database}\`.orders from public`);
  });
});
