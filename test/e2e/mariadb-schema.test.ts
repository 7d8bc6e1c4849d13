import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { forge } from '../support/forge.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, runVerb, startVerb, until, untilStill } from '../support/verbs.ts';

const RENTAL = readFileSync(new URL('../support/mariadb-rental.sql', import.meta.url));
const { mariadb, missing } = await startMariaDb();

async function rental() {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, RENTAL);
  const drills = temporaryFolder();
  chmodSync(drills, 0o755);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...mariadb.env(database), BACKUP_DIR: folder, DRILL_DIR: drills };
  return { database, folder, env };
}

const CODE = { view: 5, trigger: 4, function: 3, procedure: 3, event: 2 };

describe('a schema with one of everything', { skip: missing, concurrency: 2 }, () => {
  test('is the same to the letter after a restore over it, beside it and onto nothing', async () => {
    const { database, env } = await rental();
    const before = await mariadb.dump(database);
    const { manifest } = await backUp(env);
    assert.deepEqual(manifest.codeObjects, CODE);
    await mariadb.sql(
      'set foreign_key_checks = 0; drop table film; drop view series; drop procedure lend; drop event tidy; alter table staff drop column password',
      undefined,
      database,
    );
    await done('restore', ['latest', '--json'], env);
    assert.equal(await mariadb.dump(database), before);
    const copy = `${database}copy`;
    await done('restore', ['latest', '--to', copy], env);
    assert.equal((await mariadb.dump(copy)).replaceAll('DISABLE ON SLAVE', 'ENABLE'), before);
    await mariadb.sql(`set foreign_key_checks = 0; drop database \`${database}\``);
    await done('restore', ['latest'], env);
    assert.equal(await mariadb.dump(database), before);
    // and it works, not only reads the same
    const [, , [{ left }], [{ full }]] = await mariadb.sql(
      `call lend(501, 3, @id); update film set price = 9 where id = 500; select in_stock(501) as \`left\`; select group_concat(full_name order by id) as full from person`,
      undefined,
      database,
    );
    assert.deepEqual([left, full], [0, "Ada Lovelace,Zoë O'Hara,Li Wei"]);
    const drill = await done('drill', ['--json'], env);
    assert.equal(
      drill.json.results[0].checks.find(({ name }: { name: string }) => name === 'code').detail.split(', ').length,
      5,
    );
  });

  test('of which a dump has lost a trigger, a view, a routine or an event is not restored, and fails its drill', async () => {
    const { database, folder, env } = await rental();
    const before = await mariadb.dump(database);
    const { key } = await backUp(env);
    forge(folder, key, {
      sql: (text) => text.replace(/\/\*!50106 CREATE\*\/ [^\n]*EVENT `never`[^;]*;;/, 'select 1 ;;'),
    });
    const restore = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(restore.json.error.message, /objects of the kind event: 1, expected 2/);
    assert.equal(await mariadb.dump(database), before);
    const drill = await runVerb('drill', ['--json'], env);
    assert.equal(drill.code, 1);
    assert.deepEqual(
      drill.json.results[0].checks
        .filter(({ ok }: { ok: boolean }) => !ok)
        .map(({ name, detail }: { name: string; detail: string }) => `${name}: ${detail}`),
      ['code: objects of the kind event: 1, expected 2'],
    );
  });
});

describe('a restore', { skip: missing }, () => {
  test('for which the disk of the server is too small is refused, where the server tells of its disk', async (t) => {
    await mariadb.sql("install soname 'disks'").catch(() => {});
    const disks = await mariadb.sql('select 1 from information_schema.disks limit 1').catch(() => []);
    if (disks.length === 0) return t.skip('the plugin DISKS is not installed here');
    const { database, folder, env } = await rental();
    const { key } = await backUp(env);
    forge(folder, key, {
      manifest: (manifest) => {
        manifest.databaseBytes = 9e15;
      },
    });
    const before = await mariadb.dump(database);
    const restore = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(restore.code, 1, restore.stderr);
    assert.equal(restore.json.error.code, 'NO_SPACE');
    assert.match(restore.json.error.message, /the database server has [\d.]+ \wiB of disk free; .* needs about/);
    assert.equal(await mariadb.dump(database), before);
    assert.deepEqual(await mariadb.beside(database), [database]);
  });

  test('that cannot have a table for 30 s gives up, names who holds it, and the live database is as it was', async () => {
    const { database, env } = await rental();
    await backUp(env);
    const before = await mariadb.dump(database);
    // a session of no database is not ended, and a new one takes its place: nothing but its lock is in the way
    const holder = await mariadb.connect();
    await holder.query(`lock tables \`${database}\`.film read`);
    const started = Date.now();
    const restore = await runVerb('restore', ['latest', '--json'], env);
    const took = Date.now() - started;
    await holder.end();
    assert.equal(restore.code, 1, restore.stderr);
    assert.equal(restore.json.error.code, 'RESTORE_REFUSED');
    assert.match(restore.json.error.message, new RegExp(`${database} could not be swapped: it is in use by`));
    assert.ok(took >= 30_000, `it gave up after ${took} ms`);
    assert.deepEqual(await untilStill('what is beside it', () => mariadb.beside(database)), [database]);
    assert.equal(await mariadb.dump(database), before);
  });
});

test('a database whose table an XA transaction holds, which no session does, is left alone, and it is named', {
  skip: missing,
}, async () => {
  const { database, env } = await rental();
  await backUp(env);
  const holder = await mariadb.connect(database);
  await holder.query(
    "xa start 'left_alone'; update film set price = price + 1 limit 1; xa end 'left_alone'; xa prepare 'left_alone'",
  );
  await holder.end();
  try {
    const restore = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(restore.json.error.message, /could not be swapped: XA transactions are prepared.*: left_alone$/);
    assert.match(restore.json.error.hint, /XA COMMIT or XA ROLLBACK/);
  } finally {
    await mariadb.sql("xa rollback 'left_alone'");
  }
  assert.equal((await runVerb('restore', ['latest'], env)).code, 0);
});

describe('a dump', { skip: missing }, () => {
  test('that the storage lets stand still for longer than the server waits fails, and says which setting it is', async () => {
    const { mariadb: impatient } = await startMariaDb(['--net-write-timeout=1']);
    const database = impatient.freshName();
    await impatient.create(database, 'empty');
    await impatient.sql(
      `create table bulk (id int primary key, content longtext);
       insert into bulk select seq, repeat(md5(seq), 32768) from seq_1_to_60`,
      undefined,
      database,
    );
    const folder = temporaryFolder();
    const env = { ...impatient.env(database), BACKUP_DIR: folder, BACKUP_COMPRESSION: 'none' };
    const running = startVerb('backup', ['--json'], env);
    // what stands behind it in the pipes is all that a slow storage would be
    const meter = await until('the meter runs', () =>
      running.processes().find(({ commandLine }) => commandLine.includes('meter.pl')),
    );
    process.kill(meter.pid, 'SIGSTOP');
    const sessions = async () =>
      (await impatient.sql('select 1 from information_schema.processlist where db = ?', [database])).length;
    await until('the server sends', async () => ((await sessions()) > 0 ? true : undefined));
    await until('the server has had enough', async () => ((await sessions()) === 0 ? true : undefined));
    process.kill(meter.pid, 'SIGCONT');
    const { code, json, stderr } = await running.outcome;
    assert.equal(code, 1, stderr);
    assert.match(json.results[0].error, /Lost connection .* the upload stalled .* 1 s: SET GLOBAL net_write_timeout/);
    assert.deepEqual(filesIn(folder), []);
    await done('backup', [], env);
  });
});
