import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, type runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb(['--lower-case-table-names=1']);

describe('where a server stores names in lower case', { skip: missing }, () => {
  test('a database is the same one however a URL writes it: nothing live is dropped, and all comes back', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'empty');
    await mariadb.script(
      database,
      `create table Orders (id int primary key); insert into Orders select seq from seq_1_to_100;
       create view V as select * from Orders; create trigger Trg before insert on Orders for each row set new.id = new.id`,
    );
    const written = database.toUpperCase();
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const env = { ...mariadb.env(written), BACKUP_DIR: folder, DRILL_DIR: folder };
    const rows = async () => Number((await mariadb.sql(`select count(*) as n from ${database}.orders`))[0].n);
    const does = async (verb: Parameters<typeof runVerb>[0], args: string[], more = {}) => {
      await done(verb, args, { ...env, ...more });
    };
    await does('backup', []);
    await does('drill', []);
    await does('restore', ['latest', '--to', `${written}Copy`]);
    await mariadb.sql(`delete from ${database}.orders where id > 10; create table ${database}.since (id int)`);
    await does('restore', ['latest']);
    assert.equal(await rows(), 100);
    await does('restore', ['--undo']);
    assert.equal(await rows(), 10);
    await does('restore', ['latest']);
    await does('cleanup', [], { RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(await mariadb.beside(database), [database, `${database}copy`]);
  });
});
