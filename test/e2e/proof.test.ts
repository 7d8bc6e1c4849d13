import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ageKeyPair } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { cases } from '../support/matrix.ts';
import { startPostgres } from '../support/postgres.ts';
import { backUpAndLoad } from '../support/proof.ts';
import { done, type Environment } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Variables with a new key pair: what is encrypted to it can be read. */
function keyPair(): Environment {
  const { recipient, identity } = ageKeyPair();
  return { BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: identity };
}

/** Something that can go wrong in silence: how it is brought about and taken back, and what the proof says of it. */
interface Fault {
  readonly change: string;
  readonly back: string;
  readonly check?: string;
  readonly says: RegExp;
}

/** More of what a database may hold, beside the example. */
const MORE = `
  do $$ begin if to_regrole('proof_reader') is null then create role proof_reader; end if; end $$;
  grant select on orders to proof_reader;
  alter table customers alter name set default 'nobody';
  create view dear_orders as select id, '😀' as mark from orders where net > 100;
  create table prices (id integer primary key, price money not null, kind varchar(10) check (kind in ('a', 'b')));
  insert into prices select n, n::numeric::money, 'a' from generate_series(1, 20) n;
  create table long_rows (id integer primary key, text text);
  create function loud(text) returns text language sql immutable as 'select upper($1)';
  create table heard (id integer primary key, words text, loud text generated always as (loud(words)) stored);
  insert into heard values (1, 'one'), (2, 'two');
  insert into long_rows select n, repeat('long', 600000) from generate_series(1, 3) n;`;

const FAULTS: Readonly<Record<string, Fault>> = {
  'one letter of one row': {
    change: `update customers set name = name || '.' where id = 17`,
    back: `update customers set name = left(name, -1) where id = 17`,
    says: /^table public\.customers differs: id=17 differs in name$/,
  },
  'a row that is there twice while another is missing, so that their number is right': {
    change: `update sessions set token = (select max(token) from sessions) where token = md5('1')`,
    back: `update sessions set token = md5('1') where ctid = (select max(ctid) from sessions)`,
    says: /^table public\.sessions differs: row 1 of the dump is missing or changed$/,
  },
  'a row that nobody dumped': {
    change: `insert into vehicles values ('new', 1)`,
    back: `delete from vehicles where plate = 'new'`,
    says: /^table public\.vehicles differs \(3 rows, expected 2\): plate=new was not dumped$/,
  },
  'a row that was lost': {
    change: `delete from audit_log where id = 1`,
    back: `insert into audit_log values (1, 'customers: ' || (select name from customers where id = 1))`,
    says: /^table public\.audit_log differs \(2 rows, expected 3\)/,
  },
  'money a hundred times too large in every row': {
    change: 'update prices set price = price * 100',
    back: 'update prices set price = price / 100',
    says: /^table public\.prices differs: id=\d+ differs in price$/,
  },
  'a bit of a row longer than what is kept of rows': {
    change: `update long_rows set text = text || ' ' where id = 2`,
    back: `update long_rows set text = rtrim(text) where id = 2`,
    says: /^table public\.long_rows differs: row 2 of the dump is missing or changed$/,
  },
  'a generated column that was filled by something else': {
    change: `create or replace function loud(text) returns text language sql immutable as 'select lower($1)';
      update heard set words = words where id = 1;
      create or replace function loud(text) returns text language sql immutable as 'select upper($1)'`,
    back: 'update heard set words = words',
    check: 'generated columns and materialized views',
    says: /^generated columns of table public\.heard are not what they were when it was dumped: loud$/,
  },
  'where a sequence stands': {
    change: `select setval('invoice_numbers', 4712)`,
    back: `select setval('invoice_numbers', 4711)`,
    says: /^sequence public\.invoice_numbers: 4712, called, expected 4711, called$/,
  },
  'a byte of a large object': {
    change: 'select lo_put(50003, 7, $$x$$::bytea)',
    back: `select lo_put(50003, 7, substr(decode(md5('3'), 'hex'), 8, 1))`,
    says: /^the bytes of large objects are not those that were dumped$/,
  },
  'a default': {
    change: `alter table customers alter name set default 'somebody'`,
    back: `alter table customers alter name set default 'nobody'`,
    check: 'definitions',
    says: /^TABLE public\.customers: .*'somebody'.*, expected .*'nobody'/,
  },
  'a grant': {
    change: 'revoke select on orders from proof_reader',
    back: 'grant select on orders to proof_reader',
    check: 'definitions',
    says: /^ACL public\.TABLE orders lacks: GRANT SELECT ON TABLE public\.orders TO proof_reader$/,
  },
  'a comment': {
    change: `comment on column customers.name is 'Vor-, Nachname'`,
    back: `comment on column customers.name is 'Vor- und Nachname'`,
    check: 'definitions',
    says: /COLUMN customers\.name: .*'Vor-, Nachname', expected .*'Vor- und Nachname'/,
  },
  "an index's predicate": {
    change: 'drop index orders_by_state; create index orders_by_state on orders (state) where paid_at is not null',
    back: 'drop index orders_by_state; create index orders_by_state on orders (state) where paid_at is null',
    check: 'definitions',
    says: /^INDEX public\.orders_by_state: .*NOT NULL.*, expected .*NULL/,
  },
  "letters of a view's text": {
    change: `create or replace view dear_orders as select id, '????' as mark from orders where net > 100`,
    back: `create or replace view dear_orders as select id, '😀' as mark from orders where net > 100`,
    check: 'definitions',
    says: /^VIEW public\.dear_orders: .*\?\?\?\?.*, expected .*😀/,
  },
  'a policy that is no longer in force': {
    change: 'alter table vehicles disable row level security',
    back: 'alter table vehicles enable row level security',
    check: 'definitions',
    says: /ROW SECURITY public\.vehicles lacks: ALTER TABLE public\.vehicles ENABLE ROW LEVEL SECURITY/,
  },
};

/** As restored, without what triggers would add to it. */
const QUIETLY = 'set session_replication_role = replica; ';
/** In the other formats the same is read another way: one fault of each kind is enough. */
const OF_EACH_KIND = ['one letter of one row', 'where a sequence stands', 'a byte of a large object', 'a grant'];

describe('the proof of content of a PostgreSQL restore', { skip: missing }, () => {
  for (const format of cases(['sql'], ['custom', 'folder'])) {
    test(`finds nothing in what is equal and names what is not, in the format ${format}`, async (t) => {
      const database = postgres.freshName();
      await postgres.create(database);
      await postgres.sql(database, MORE);
      const loaded = await backUpAndLoad({ ...postgres.env(database), BACKUP_FORMAT: format, BACKUP_JOBS: '2' });
      const { checks } = await loaded.prove();
      assert.equal(checks[0]?.detail, 'equal: 15 tables, 878 rows');
      const failed = checks.filter(({ ok }) => !ok);
      assert.deepEqual(failed, []);
      const faults = Object.entries(FAULTS).filter(([what]) => format === 'sql' || OF_EACH_KIND.includes(what));
      for (const [what, fault] of faults) {
        await t.test(what, async () => {
          await postgres.sql(loaded.staging, `${QUIETLY}${fault.change}`);
          const { [fault.check ?? 'content']: detail = 'nothing', ...others } = await loaded.failures();
          await postgres.sql(loaded.staging, `${QUIETLY}${fault.back}`);
          assert.match(detail, fault.says);
          assert.deepEqual(others, {});
        });
      }
      await loaded.close();
    });
  }
});

describe('a drill of a PostgreSQL backup', { skip: missing, concurrency: 2 }, () => {
  test('says that all is equal, and its record keeps the sums: a drill of the same backup has the same', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const drillDir = temporaryFolder();
    // as root, the server runs as somebody else
    chmodSync(drillDir, 0o1777);
    const env: Environment = {
      ...postgres.env(database),
      ...keyPair(),
      BACKUP_DIR: folder,
      DRILL_DIR: drillDir,
      DRILL_CHECKS: '/nonexistent',
    };
    await done('backup', [], env);
    const drills = [];
    for (let n = 0; n < 2; n++) {
      const drill = await done('drill', ['--json'], env);
      assert.match(drill.stderr, /passed, equal: 12 tables, 853 rows/);
      const { record } = drill.json.results[0];
      drills.push(JSON.parse(readFileSync(join(folder, record), 'utf8')));
    }
    const [first, second] = drills;
    assert.deepEqual([first.proof.tables, first.proof.rows], [12, 853]);
    assert.deepEqual(
      first.proof.notCompared.map(({ what }: { what: string }) => what),
      [],
    );
    assert.equal(first.proof.sums.find(({ table }: { table: string }) => table === 'public.orders').rows, 490);
    assert.deepEqual(first.proof.sums, second.proof.sums);
  });

  test('never shows what an encrypted backup holds, but a key that means nothing by itself', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const loaded = await backUpAndLoad({ ...postgres.env(database), ...keyPair() });
    await postgres.sql(loaded.staging, `${QUIETLY}update customers set name = 'secret of mine' where id = 3`);
    await postgres.sql(loaded.staging, `${QUIETLY}update vehicles set wheels = 5 where plate = 'B-AB 1'`);
    await postgres.sql(loaded.staging, `comment on table vehicles is 'secret of mine'`);
    const { content = '', definitions = '' } = await loaded.failures();
    assert.match(content, /customers differs: id=3 differs in name/);
    assert.match(content, /vehicles differs: row 1 of the dump \(its key, plate, is not shown: .*\) differs in wheels/);
    assert.match(definitions, /TABLE vehicles is not as it was dumped/);
    assert.doesNotMatch(content + definitions, /secret of mine|B-AB/);
    await loaded.close();
  });
});
