import type { TestBed } from './test-bed.ts';

/**
 * Rows for each megabyte of plain dump. The mix is that of a shop with an event log: a third of the bytes are JSON
 * events, a third is prose, the rest are narrow rows of numbers, dates and names, with the indexes and foreign keys
 * that such tables have.
 */
const ROWS_PER_MB = { customers: 330, orders: 660, order_items: 1_980, events: 1_210, documents: 296 } as const;

const BATCH_ROWS = 200_000;

/** The words that prose is made of: made up from syllables, the frequent ones first and short. */
const SCHEMA = `
  create function noise(seed text, n int) returns int language sql immutable strict parallel safe
    as $$ select (hashtextextended(seed, 0) & 2147483647)::int % n $$;
  create table word (id int primary key, text text not null);
  insert into word select i, string_agg(
      (array['ba','co','di','fe','gu','han','jor','kel','lim','mon','nar','pes','qui','ros','sta','tur','van','wex','ys','zo',
             'ä','ré','ing','ed','er','ti'])[1 + noise(i || '.' || s, 26)], '' order by s)
    from generate_series(0, 4095) i, generate_series(1, 1 + (i > 60)::int + (i > 900)::int + noise(i::text, 2)) s
    group by i;
  create table customers (
    id bigint generated always as identity primary key, email text not null, name text not null,
    born date, country char(2) not null, settings jsonb not null, created_at timestamptz not null);
  create table orders (
    id bigint generated always as identity primary key, customer_id bigint not null, status text not null,
    total numeric(12, 2) not null, note text, placed_at timestamptz not null);
  create table order_items (
    id bigint generated always as identity primary key, order_id bigint not null, sku text not null,
    quantity int not null, price numeric(10, 2) not null);
  create table events (
    id bigint generated always as identity primary key, customer_id bigint, kind text not null,
    at timestamptz not null, payload jsonb not null);
  create table documents (id uuid primary key, title text not null, body text not null, changed_at timestamptz not null);
`;

/** Frequent words come often: the square of an even distribution leans towards the first ones. */
const PROSE = (seed: string, words: string) => `(
  select string_agg(w.text, ' ' order by s) from generate_series(1, ${words}) s
  join word w on w.id = (noise(${seed} || s, 4096)::bigint * noise(s || ${seed}, 4096) / 4096)::int)`;

const TIME = (seed: string) => `'2024-01-01'::timestamptz + noise(${seed}, 63000000) * interval '1 second'`;

/** One statement a table: `i` is the row's number, `{customers}` and `{orders}` how many of those there are. */
const INSERTS = {
  customers: `insert into customers (email, name, born, country, settings, created_at)
    select md5('mail' || i) || '@example.' || (array['com','org','net','de','fr'])[1 + noise('t' || i, 5)],
      initcap(${PROSE(`'name' || i`, '2')}), '1940-01-01'::date + noise('born' || i, 25000),
      (array['DE','FR','US','GB','JP','BR'])[1 + noise('c' || i, 6)],
      jsonb_build_object('newsletter', noise('n' || i, 2) = 0, 'theme', (array['dark','light','auto'])[1 + noise('th' || i, 3)],
        'token', md5('token' || i), 'limit', noise('l' || i, 10000)), ${TIME(`'ca' || i`)}`,
  orders: `insert into orders (customer_id, status, total, note, placed_at)
    select 1 + noise('oc' || i, {customers}), (array['paid','shipped','open','returned'])[1 + noise('s' || i, 4)],
      noise('total' || i, 10000000) / 100.0, case when noise('hn' || i, 5) = 0 then ${PROSE(`'note' || i`, '12')} end,
      ${TIME(`'oa' || i`)}`,
  order_items: `insert into order_items (order_id, sku, quantity, price)
    select 1 + noise('io' || i, {orders}), upper(substr(md5('sku' || noise('k' || i, 40000)), 1, 10)),
      1 + noise('q' || i, 9), noise('p' || i, 1000000) / 100.0`,
  events: `insert into events (customer_id, kind, at, payload)
    select 1 + noise('ec' || i, {customers}), (array['view','search','click','cart','login'])[1 + noise('k' || i, 5)],
      '2024-01-01'::timestamptz + i * interval '1.3 seconds' + noise('j' || i, 1000) * interval '1 ms',
      jsonb_build_object('session', md5('session' || i / 20)::uuid, 'request', md5('request' || i)::uuid,
        'path', '/' || (select text from word where id = noise('w' || i, 4096)) || '/' || noise('path' || i, 100000),
        'ms', noise('ms' || i, 3000), 'ip', '10.' || noise('a' || i, 256) || '.' || noise('b' || i, 256) || '.' || noise('d' || i, 256),
        'agent', 'Mozilla/5.0 (' || (array['X11; Linux x86_64','Macintosh; Intel Mac OS X 10_15_7','Windows NT 10.0; Win64; x64','iPhone; CPU iPhone OS 17_2'])[1 + noise('ag' || i / 20, 4)] || ')')`,
  documents: `insert into documents (id, title, body, changed_at)
    select md5('document' || i)::uuid, ${PROSE(`'title' || i`, '5')},
      ${PROSE(`'body' || i`, `100 + noise('n' || i, 200)`)}, ${TIME(`'dc' || i`)}`,
} as const satisfies Record<keyof typeof ROWS_PER_MB, string>;

const FINISH = `
  drop table word;
  drop function noise;
  create unique index customers_email on customers (email);
  alter table orders add foreign key (customer_id) references customers;
  create index orders_customer on orders (customer_id);
  create index orders_placed on orders (placed_at);
  alter table order_items add foreign key (order_id) references orders;
  create index order_items_order on order_items (order_id);
  create index events_at on events (at);
  create index events_customer on events (customer_id);
  vacuum (analyze, freeze)`;

/**
 * Makes a database whose plain dump has about `dumpBytes`. Every value is a hash of its row's number: the same size
 * gives the same bytes, on any machine.
 */
export async function makeDatabase(bed: TestBed, name: string, dumpBytes: number): Promise<void> {
  await bed.query('postgres', `create database ${name}`);
  await bed.query(name, SCHEMA);
  const rows = Object.fromEntries(
    Object.entries(ROWS_PER_MB).map(([table, perMb]) => [table, Math.ceil((perMb * dumpBytes) / 1e6)]),
  );
  // side by side, but each table by one session, in order: its rows lie on disk the same way every time
  await Promise.all(
    Object.entries(INSERTS).map(async ([table, insert]) => {
      const statement = insert.replace(/\{(\w+)\}/g, (_, of: string) => String(rows[of]));
      const count = rows[table] ?? 0;
      for (let start = 1; start <= count; start += BATCH_ROWS) {
        const end = Math.min(count, start + BATCH_ROWS - 1);
        await bed.query(name, `${statement} from generate_series(${start}, ${end}) i`);
      }
    }),
  );
  for (const statement of FINISH.split(';')) await bed.query(name, statement);
}
