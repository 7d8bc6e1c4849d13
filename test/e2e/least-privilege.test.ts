import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { hasEngine } from '../support/container.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { type Garage, startGarage } from '../support/garage.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: missingMariadb } = await startMariaDb();
const EXAMPLE = readFileSync(new URL('../support/example.sql', import.meta.url), 'utf8');

/** The statements that the documentation gives, with this test's names in place of the example's. */
const statements = (name: string, names: Readonly<Record<string, string>>) =>
  Object.entries(names).reduce(
    (text, [example, own]) => text.replaceAll(example, own),
    readFileSync(new URL(`../../docs/roles/${name}.sql`, import.meta.url), 'utf8'),
  );

/** A shop that belongs to a role of its own, whose rows a policy hides from others. */
async function ownedShop() {
  const database = postgres.freshName();
  const names = {
    app_owner: `${database}app`,
    backup_role: `${database}backup`,
    restore_role: `${database}restore`,
    myapp: database,
  };
  await postgres.sql('postgres', `create role ${names.app_owner}`);
  await postgres.sql('postgres', `create database ${database} owner ${names.app_owner} template template0`);
  await postgres.sql(
    database,
    `set role ${names.app_owner}; ${EXAMPLE};
     create table secrets (owner name default current_user, line text);
     insert into secrets values ('somebody', 'hidden');
     alter table secrets enable row level security;
     create policy own on secrets using (owner = current_user);`,
  );
  // the example has large objects
  const withLargeObjects = statements('postgres-backup', names).replace(/^-- (?=alter role .* lo_compat)/m, '');
  await postgres.sql(database, withLargeObjects);
  await postgres.sql(database, statements('postgres-restore', names));
  return { database, names };
}

describe('the roles that the documentation gives', { skip: missing }, () => {
  test('back up all there is, and may change nothing', async () => {
    const { database, names } = await ownedShop();
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', ['--json'], { ...env, POSTGRES_USER: names.backup_role });

    // a superuser finds in it all that there is
    await done('restore', ['latest', '--to', `${database}2`, '--json'], env);
    assert.deepEqual(await postgres.contents(`${database}2`), await postgres.contents(database));

    await postgres.sql(database, `alter role ${names.backup_role} reset lo_compat_privileges`);
    const client = await postgres.connect(database, names.backup_role);
    await client.query('set default_transaction_read_only = off');
    for (const change of [
      'delete from customers',
      'create table x ()',
      'drop table orders',
      'select lo_unlink(50001)',
      "select setval('invoice_numbers', 1)",
    ]) {
      await assert.rejects(client.query(change), { code: '42501' }, change);
    }
    await client.end();
  });

  test('without BYPASSRLS the backup fails, and says what hides rows', async () => {
    const { database, names } = await ownedShop();
    await postgres.sql(database, `alter role ${names.backup_role} nobypassrls`);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder, POSTGRES_USER: names.backup_role };
    const backup = await runVerb('backup', ['--json'], env);
    assert.equal(backup.code, 1);
    assert.match(backup.json.results[0].error, /row-level security policy for table "secrets"/);
    assert.deepEqual(filesIn(folder), []);
  });

  test('restore, undo and restore again, with owners as they were', async () => {
    const { database, names } = await ownedShop();
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    const before = [await postgres.contents(database), await postgres.dump(database)];
    await done('backup', [], { ...env, POSTGRES_USER: names.backup_role });
    await postgres.sql(database, 'drop table customers cascade');
    const changed = await postgres.contents(database);

    const asRestorer = { ...env, POSTGRES_USER: names.restore_role };
    await done('restore', ['latest', '--json'], asRestorer);
    assert.deepEqual([await postgres.contents(database), await postgres.dump(database)], before);
    const [owner] = await postgres.sql(
      'postgres',
      'select pg_get_userbyid(datdba) as name from pg_database where datname = $1',
      [database],
    );
    assert.equal(owner?.name, names.app_owner);
    await done('restore', ['--undo', '--json'], asRestorer);
    assert.deepEqual(await postgres.contents(database), changed);
  });

  test('count what was restored while a long list of rights is given', async () => {
    const { database, names } = await ownedShop();
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], { ...env, POSTGRES_USER: names.backup_role });
    // the owner's own rights stand last, as after they were taken from him and given again
    await postgres.sql(
      database,
      `revoke all on database ${database} from public, ${names.app_owner};
       do $$ begin for n in 1..400 loop
         execute format('create role %I; grant connect on database %I to %1$I', '${database}user' || n, '${database}');
       end loop; end $$;
       grant all on database ${database} to ${names.app_owner}`,
    );
    await done('restore', ['latest', '--json'], { ...env, POSTGRES_USER: names.restore_role });
  });
});

describe('with a key that may only write', {
  skip: missing || (hasEngine() ? false : 'no Docker engine: no Garage'),
}, () => {
  let garage: Garage;
  before(async () => {
    garage = await startGarage();
  });
  after(() => garage?.stop());

  test('the least role backs up; another key lists, restores and cleans up', async () => {
    const { database, names } = await ownedShop();
    const { endpoint = '', region, bucket, accessKey, secretKey } = garage.settings;
    const store = { S3_ENDPOINT: endpoint, S3_REGION: region ?? '', S3_BUCKET: bucket };
    const writer = await garage.keyWith('write');
    const writing = {
      ...postgres.env(database),
      ...store,
      POSTGRES_USER: names.backup_role,
      S3_ACCESS_KEY: writer.accessKey,
      S3_SECRET_KEY: writer.secretKey,
    };
    const contents = await postgres.contents(database);
    await done('backup', ['--json'], writing);
    const refused = await runVerb('list', [], writing);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /may list/);

    const all = { ...writing, POSTGRES_USER: names.restore_role, S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey };
    await postgres.sql(database, 'truncate customers cascade');
    await done('restore', ['latest', '--json'], all);
    assert.deepEqual(await postgres.contents(database), contents);
    await done('cleanup', ['--dry-run'], all);
  });
});

describe('the users of MariaDB that the documentation gives', { skip: missingMariadb }, () => {
  test('back up all there is and change nothing; restore all of it', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    const names = { backup_user: `b${database}`, restore_user: `r${database}`, myapp: database };
    for (const file of ['mariadb-backup', 'mariadb-restore']) await mariadb.script('mysql', statements(file, names));
    const before = await mariadb.dump(database);
    const as = (user: string) => {
      const { BACKUP_SOURCE_SHOP: url = '', ...env } = mariadb.env(database);
      return {
        ...env,
        BACKUP_SOURCE_SHOP: url.replace(/(?<=:\/\/)[^@]+/, user),
        BACKUP_SOURCE_SHOP_PASSWORD: 'change-me',
        BACKUP_DIR: folder,
      };
    };
    const folder = temporaryFolder();
    await done('backup', ['--json'], as(names.backup_user));

    const client = await mariadb.connect(database, names.backup_user, 'change-me');
    await assert.rejects(client.query('create table x (n int)'), /command denied/);
    await client.end();

    await mariadb.script(database, 'create table stray (n int); delete from customers;');
    await done('restore', ['latest', '--json'], as(names.restore_user));
    assert.equal(await mariadb.dump(database), before);
  });
});
