import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manifestsIn, place } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { damagedShop, handMadeShop } from '../support/restored-shops.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

describe('restore', { skip: missing, concurrency: 3 }, () => {
  test('swaps the restored database in, keeps the old one, and takes a safety backup of that', async () => {
    const { database, env, contents, key } = await damagedShop(postgres);
    const before = await postgres.fingerprint(database);
    const outcome = await done('restore', ['latest', '--json'], env);
    const { json } = outcome;
    assert.equal(json.key, key);
    assert.equal(json.database, database);
    assert.ok(json.durationMs > 0);
    assert.match(json.previousDatabase, new RegExp(`^${database}_previous_\\d{14}$`));
    assert.deepEqual(await postgres.beside(database), [database, json.previousDatabase]);
    assert.deepEqual(await postgres.contents(database), contents);
    assert.deepEqual(await postgres.fingerprint(json.previousDatabase), before);

    const list = await runVerb('list', ['--json'], env);
    assert.deepEqual(
      list.json.map((row: Record<string, unknown>) => [row.key, row.kind, row.manifest]),
      [
        [json.safetyBackup, 'pre-restore', true],
        [key, 'backup', true],
      ],
    );
    // the safety backup holds what was replaced
    const copy = `${database}_copy`;
    await done('restore', [json.safetyBackup, '--to', copy], env);
    assert.deepEqual(await postgres.contents(copy), before.contents);
    // and is not what latest means, though it is the newest
    const again = await runVerb('restore', ['latest', '--json', '--to', `${database}_again`], env);
    assert.equal(again.json.key, key);
  });

  test('prints what it did, for people, and what to do next', async () => {
    const { database, env, key } = await damagedShop(postgres);
    const { stdout, stderr } = await done('restore', [key], env);
    assert.match(stdout, new RegExp(`^restored +${key}\ninto +${database} \\(12 tables, 853 rows\\)`));
    assert.match(
      stdout,
      /replaced +kept as \S+_previous_\d{14}\n.*safety backup .*sql\.gz\nundo +make restore-undo\n$/,
    );
    assert.match(stderr, /\(RTO\)/);
  });

  test('is undone, with the restored database kept; there is nothing to undo twice', async () => {
    const { database, env, contents } = await damagedShop(postgres);
    const lossy = await postgres.fingerprint(database);
    const restore = await runVerb('restore', ['latest', '--json'], env);
    assert.deepEqual(await postgres.contents(database), contents);
    const undo = await done('restore', ['--undo', '--json'], env);
    assert.equal(undo.json.database, database);
    assert.equal(undo.json.restoredFrom, restore.json.previousDatabase);
    assert.deepEqual(await postgres.fingerprint(database), lossy);
    assert.deepEqual(await postgres.contents(undo.json.keptAs), contents);
    const twice = await runVerb('restore', ['--undo', '--json'], env);
    assert.equal(twice.code, 1);
    assert.match(twice.json.error.message, /nothing to undo/);
    assert.deepEqual(await postgres.fingerprint(database), lossy);
  });

  test('ends open clients, says which, and they come back to the restored rows', async () => {
    const { database, env } = await damagedShop(postgres);
    const client = await postgres.connect(database);
    await client.query("set application_name = 'webshop'; begin; select from customers");
    const wasEnded = new Promise((resolve) => client.once('error', resolve));
    // one that comes back at once, again and again, all the while
    let isInsisting = true;
    const errors: string[] = [];
    const insisting = (async () => {
      while (isInsisting) {
        const again = await postgres.connect(database).catch((error: Error) => void errors.push(error.message));
        await again?.query('select pg_sleep(0.02)').catch((error: Error) => void errors.push(error.message));
        await again?.end().catch(() => {});
      }
    })();
    const outcome = await runVerb('restore', ['latest', '--json'], env);
    isInsisting = false;
    await insisting;
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(
      outcome.stderr,
      new RegExp(`ending the connections to ${database}: .*1 × ${postgres.user} \\(webshop\\)`),
    );
    await wasEnded;
    assert.deepEqual(
      errors.filter(
        (message) =>
          !/terminating connection|Connection terminated|does not exist|ECONNRESET|not queryable/.test(message),
      ),
      [],
    );
    const back = await postgres.connect(database);
    assert.deepEqual((await back.query('select count(*)::int as n from customers')).rows, [{ n: 200 }]);
    await back.end();
  });

  test('carries over what belongs to the database as a whole', async () => {
    const { database, env } = await damagedShop(postgres);
    const q = `"${database}"`;
    const role = `${database} "role"`;
    const quotedRole = `"${role.replaceAll('"', '""')}"`;
    await postgres.sql(
      database,
      `create role ${quotedRole}; create role ${database}_owner;
       alter database ${q} set timezone to 'Asia/Tokyo';
       alter database ${q} set search_path to "Back Office", public, "we ird,""name", "$user";
       alter database ${q} set "myapp.setting" to 'it''s = "a" \\ value';
       alter database ${q} set work_mem to '7MB';
       alter database ${q} set default_transaction_read_only to off;
       alter role ${quotedRole} in database ${q} set search_path to '';
       alter role ${quotedRole} in database ${q} set statement_timeout to '17s';
       revoke connect on database ${q} from public;
       grant connect, create on database ${q} to ${quotedRole} with grant option;
       alter database ${q} connection limit 17;
       comment on database ${q} is 'It''s "the" shop: \\ größe';
       alter database ${q} owner to ${database}_owner`,
    );
    const properties = async () =>
      postgres.sql(
        'postgres',
        `select datname, encoding, datcollate, datconnlimit, pg_get_userbyid(datdba) as owner,
           shobj_description(oid, 'pg_database') as comment,
           (select array_agg(format('%s %s %s %s', grantor, grantee, privilege_type, is_grantable) order by 1)
             from (select (aclexplode(datacl)).* ) a) as acl,
           (select array_agg(coalesce(pg_get_userbyid(nullif(setrole, 0)), '') || ' ' || setting order by 1)
             from (select setrole, unnest(setconfig) as setting from pg_db_role_setting where setdatabase = d.oid) s) as settings
         from pg_database d where datname = $1`,
        [database],
      );
    const before = await properties();
    await done('restore', ['latest'], env);
    const after = await properties();
    const sorted = ([row]: { settings: string[]; acl: string[] }[]) => ({
      ...row,
      settings: row?.settings.toSorted(),
      acl: row?.acl.toSorted(),
    });
    assert.equal(before[0].settings.length, 7);
    assert.deepEqual(sorted(after), sorted(before));
  });

  test('into another name leaves the live database alone, and makes the other', async () => {
    const { database, env, contents, key } = await damagedShop(postgres);
    const before = await postgres.fingerprint(database);
    const other = `${database} Kopie`;
    const outcome = await done('restore', [key, '--to', other, '--json'], env);
    assert.equal(outcome.json.database, other);
    assert.equal(outcome.json.previousDatabase, null);
    assert.equal(outcome.json.safetyBackup, null);
    assert.deepEqual(await postgres.contents(other), contents);
    assert.deepEqual(await postgres.fingerprint(database), before);
    assert.deepEqual(await postgres.beside(database), [database, other]);
    assert.equal(manifestsIn(env.BACKUP_DIR).length, 1);

    // it is not empty now
    const again = await runVerb('restore', [key, '--to', other, '--json'], env);
    assert.equal(again.code, 1, again.stderr);
    assert.equal(again.json.error.code, 'RESTORE_REFUSED', again.stderr);
    assert.match(again.json.error.message, /exists and is not empty/);
    assert.deepEqual(await postgres.contents(other), contents);
  });

  for (const [what, sql] of [
    ['a table without rows', 'create table t ()'],
    ['a large object', "select lo_from_bytea(0, '')"],
    ['a function', 'create function f() returns int language sql as $$select 1$$'],
    ['a type', 'create type mood as enum ()'],
    ['a schema', 'create schema s'],
  ] as const) {
    test(`into a database with ${what} is refused, and it stays`, async () => {
      const { env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
      const other = postgres.freshName();
      await postgres.create(other, 'empty');
      await postgres.sql(other, sql);
      const before = await postgres.dump(other);
      const outcome = await runVerb('restore', ['latest', '--to', other, '--json'], env);
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.equal(outcome.json.error.code, 'RESTORE_REFUSED', outcome.stderr);
      assert.equal(await postgres.dump(other), before);
    });
  }

  test('without the right to make a database fills an empty one, and refuses the live one before anything is made', async () => {
    const { database, env, key } = await damagedShop(postgres);
    const role = `${database}_small`;
    const other = `${database}_other`;
    await postgres.sql('postgres', `create role ${role} login; alter database "${database}" owner to ${role}`);
    const before = await postgres.fingerprint(database);
    const refused = await runVerb('restore', [key, '--json'], { ...env, POSTGRES_USER: role });
    assert.equal(refused.code, 1, refused.stderr);
    assert.equal(refused.json.error.code, 'RESTORE_REFUSED', refused.stderr);
    assert.match(refused.json.error.message, new RegExp(`${role} may not create databases`));
    assert.match(refused.json.error.hint, new RegExp(`ALTER ROLE "${role}" CREATEDB`));
    assert.deepEqual(await postgres.beside(database), [database]);
    assert.deepEqual(await postgres.fingerprint(database), before);

    const { env: plain } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
    await postgres.sql('postgres', `create database ${other} owner ${role}`);
    await done('restore', ['latest', '--to', other], { ...plain, POSTGRES_USER: role });
    assert.deepEqual((await postgres.contents(other))['public.made'], ['(0)']);
    assert.deepEqual(await postgres.beside(other), [other]);
  });

  test('of a damaged backup into an empty database fills nothing', async () => {
    const { database, env, key } = await damagedShop(postgres);
    place(env.BACKUP_DIR, key, 'no gzip');
    const other = `${database}_other`;
    await postgres.create(other, 'empty');
    const outcome = await runVerb('restore', [key, '--to', other, '--json'], env);
    assert.equal(outcome.json.error.code, 'BACKUP_DAMAGED', outcome.stderr);
    assert.deepEqual(Object.keys(await postgres.contents(other)), ['large objects']);
  });

  test('works for an owner who is no superuser but may make databases', async () => {
    const { database, env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
    const role = `${database}_owner`;
    await postgres.sql('postgres', `create role ${role} login createdb; alter database "${database}" owner to ${role}`);
    await postgres.sql(database, `alter table live owner to ${role}`);
    const outcome = await done('restore', ['latest', '--json'], { ...env, POSTGRES_USER: role });
    assert.notEqual(outcome.json.safetyBackup, null);
    assert.deepEqual((await postgres.contents(database))['public.made'], ['(0)']);
    await done('restore', ['--undo'], { ...env, POSTGRES_USER: role });
    assert.deepEqual((await postgres.contents(database))['public.live'], ['(live)']);
  });

  test('gives up when a client that may not be ended stays, and names it', async () => {
    const { database, env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
    const role = `${database}_owner`;
    await postgres.sql('postgres', `create role ${role} login createdb; alter database "${database}" owner to ${role}`);
    const before = await postgres.fingerprint(database);
    const client = await postgres.connect(database);
    await client.query("set application_name = 'the boss'");
    const outcome = await runVerb('restore', ['latest', '--json'], { ...env, POSTGRES_USER: role });
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.equal(outcome.json.error.code, 'RESTORE_REFUSED', outcome.stderr);
    assert.match(outcome.json.error.message, /in use by 1 × \S+ \(the boss\)/);
    await client.end();
    assert.deepEqual(await postgres.fingerprint(database), before);
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('ends the clients of others where its role may', async () => {
    const { database, env } = await handMadeShop(postgres, ['2026-01-01T00:00:00']);
    const [owner, other] = [`${database}owner`, `${database}other`];
    await postgres.sql(
      'postgres',
      `create role ${owner} login createdb; create role ${other} login; grant pg_signal_backend to ${owner};
       alter database "${database}" owner to ${owner}`,
    );
    await postgres.sql(database, `alter table live owner to ${owner}`);
    const client = await postgres.connect(database, other);
    const wasEnded = new Promise((resolve) => client.once('error', resolve));
    const outcome = await done('restore', ['latest', '--json'], { ...env, POSTGRES_USER: owner });
    assert.match(outcome.stderr, new RegExp(`ending the connections to ${database}: 1 × ${other}`));
    await wasEnded;
  });

  test('takes the newest backup at or before a time', async () => {
    const { database, keys, env } = await handMadeShop(postgres, [
      '2026-01-01T00:00:00',
      '2026-01-02T10:00:00',
      '2026-01-02T10:00:01',
    ]);
    for (const [n, at] of [
      [0, '2026-01-02'],
      [0, '2026-01-02T09:59:59Z'],
      [1, '2026-01-02 10:00:00'],
      [1, '2026-01-02T12:00:00+02:00'],
      [2, '2026-01-02T10:00:01Z'],
      [2, '2027-01-01T00:00:00Z'],
    ] as const) {
      const to = `${database}_at_${at}`;
      const outcome = await done('restore', ['latest', '--at', at, '--to', to, '--json'], env);
      assert.equal(outcome.json.key, keys[n], at);
      assert.deepEqual((await postgres.contents(to))['public.made'], [`(${n})`]);
    }
    const early = await runVerb('restore', ['latest', '--at', '2025-12-31T23:59:59Z', '--json'], env);
    assert.equal(early.code, 1);
    assert.match(early.json.error.message, /no backup .*at or before 2025-12-31T23:59:59/);
    for (const at of ['yesterday', '2026-02-30']) {
      const wrong = await runVerb('restore', ['latest', '--at', at, '--json'], env);
      assert.equal(wrong.code, 2);
      assert.match(wrong.json.error.message, new RegExp(`"${at}" is not a time`));
    }
    for (const args of [[keys[0] ?? '', '--at', '2026-01-02'], ['--undo', 'latest'], [], ['latest', 'latest']]) {
      assert.equal((await runVerb('restore', args, env)).code, 2, args.join(' '));
    }
    assert.deepEqual((await postgres.contents(database))['public.live'], ['(live)']);
  });
});
