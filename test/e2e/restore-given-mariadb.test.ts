import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb();
const { mariadb: other } = await startMariaDb(['--lower-case-table-names=1', '--innodb-default-row-format=compact']);

const urlOf = ({ user, host, port }: typeof mariadb, database: string) =>
  `mariadb://${user}@${host}:${port}/${database}`;

describe('a restore into a MariaDB that somebody else set up', { skip: missing }, () => {
  test('fills an empty database with what its routines were read by, whatever character set that has', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'empty');
    await mariadb.script(
      database,
      `create table words (id int primary key, v varchar(20)); insert into words values (1, '漢');
       create function same(x varchar(20)) returns varchar(20) deterministic return x;`,
    );
    const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const given = `${database}_given`;
    await mariadb.sql(`create database ${given} character set latin1`);
    const { stderr } = await done('restore', ['latest', '--to', given, '--compare'], env);
    assert.match(stderr, /has the collation of the database that was dumped now: utf8mb4_unicode_ci/);
    const [row] = await mariadb.sql("select same('漢') as v", [], given);
    assert.equal(row.v, '漢');

    // who may not change it is told before anything is loaded
    const closed = `${database}_closed`;
    await mariadb.sql(
      `create database ${closed} character set latin1; create or replace user weak@'127.0.0.1' identified by 'weak';
       grant select, insert, create, drop, lock tables, create routine, alter routine, execute on ${closed}.* to weak@'127.0.0.1';
       grant set user on *.* to weak@'127.0.0.1'`,
    );
    const target = ['latest', '--target', urlOf({ ...mariadb, user: 'weak' }, closed), '--confirm', closed];
    const refused = await runVerb('restore', [...target, '--same-server'], { ...env, RESTORE_TARGET_PASSWORD: 'weak' });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(
      refused.stderr,
      /latin1_swedish_ci, and the one that was dumped utf8mb4_unicode_ci[\s\S]*Who may: alter database/,
    );
    const denied = await runVerb('restore', [...target, '--same-server'], { ...env, RESTORE_TARGET_PASSWORD: 'other' });
    assert.match(denied.stderr, /check --target and RESTORE_TARGET_PASSWORD\./);
  });

  test('is refused where names would come back as others, before anything is loaded', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'empty');
    await mariadb.script(database, 'create table orders (id int); create sequence Numbers;');
    const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
    const into = ['latest', '--target', urlOf(other, database), '--confirm', database];
    await done('backup', [], env);
    const refused = await runVerb('restore', into, env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(
      refused.stderr,
      /small letters \(lower_case_table_names=1\), and the backup has names with capitals: Numbers/,
    );
    assert.deepEqual(await other.beside(database), []);

    await mariadb.script(database, 'drop sequence Numbers');
    await done('backup', [], env);
    const { stderr } = await done('restore', into, env);
    assert.match(stderr, /no row format were dynamic, and are made as compact/);
  });
});
