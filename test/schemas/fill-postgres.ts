import pg from 'pg';
import { quoteIdentifier } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { SAMPLE_JSON, sampleDay, sampleNumber, sampleText, sampleTime, sampleUuid } from './samples.ts';

/** Rows for each table that has none. */
const ROWS = 5;
/** How often a row is tried with other values. */
const TRIES = 4;
/** Tables refer to one another: what could not be filled may be once others are. */
const PASSES = 6;

interface Column {
  readonly name: string;
  readonly type: string;
  /** Of the type below a domain. */
  readonly base: string;
  readonly isArray: boolean;
  readonly modifier: number;
  readonly mayBeNull: boolean;
  readonly hasDefault: boolean;
  readonly isGenerated: boolean;
  readonly labels: readonly string[] | null;
}

interface Reference {
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
}

interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly references: readonly Reference[];
  /** Words that its checks compare with. */
  readonly words: readonly string[];
}

const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name,
    (select coalesce(json_agg(json_build_object(
        'name', attname, 'type', format_type(atttypid, atttypmod), 'mayBeNull', not attnotnull and not t.typnotnull,
        'base', coalesce(e.typname, b.typname, t.typname), 'isArray', coalesce(b.typcategory, t.typcategory) = 'A',
        'modifier', case when t.typtype = 'd' then t.typtypmod else atttypmod end,
        'hasDefault', (atthasdef and attgenerated = '') or attidentity <> '', 'isGenerated', attgenerated <> '' or attidentity = 'a',
        'labels', (select json_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = coalesce(e.oid, b.oid, t.oid))
      ) order by attnum), '[]')
      from pg_attribute join pg_type t on t.oid = atttypid left join pg_type b on b.oid = nullif(t.typbasetype, 0)
        left join pg_type e on e.oid = nullif(coalesce(b.typelem, t.typelem), 0) and coalesce(b.typcategory, t.typcategory) = 'A'
      where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
    (select coalesce(json_agg(json_build_object(
        'columns', (select json_agg(attname order by o) from unnest(conkey) with ordinality k(a, o) join pg_attribute on attrelid = conrelid and attnum = a),
        'target', format('%s', confrelid::regclass),
        'targetColumns', (select json_agg(attname order by o) from unnest(confkey) with ordinality k(a, o) join pg_attribute on attrelid = confrelid and attnum = a)
      )), '[]') from pg_constraint where conrelid = c.oid and contype = 'f') as references,
    (select coalesce(json_agg(m[1]), '[]') from pg_constraint x,
      regexp_matches(pg_get_constraintdef(x.oid), '''([^'']*)''::', 'g') m where x.contype = 'c' and x.conrelid = c.oid) as words
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^(pg_|information_schema)'
    and not exists (select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype = 'e')
  order by c.oid`;

/** Puts a few rows into each table that has none, where its constraints let it. @returns tables that stay empty */
export async function fillPostgres(client: pg.Client): Promise<string[]> {
  const { rows: tables } = await client.query<Table>(TABLES);
  let open = tables;
  for (let pass = 0; pass < PASSES && open.length > 0; pass += 1) {
    const stillOpen: Table[] = [];
    for (const table of open) if (!(await fillTable(client, table, pass > 0))) stillOpen.push(table);
    open = stillOpen;
  }
  return open.map(({ name }) => name);
}

async function fillTable(client: pg.Client, table: Table, withoutTriggers: boolean): Promise<boolean> {
  const { rows: some } = await client.query(`select from ${table.name} limit 1`);
  if (some.length > 0) return true;
  let filled = false;
  for (let n = 0; n < ROWS; n += 1) {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const row = await rowOf(client, table, n, attempt);
      if (row === undefined) break;
      if (await insert(client, table, row, withoutTriggers && attempt % 2 === 1)) {
        filled = true;
        break;
      }
    }
  }
  return filled;
}

async function insert(
  client: pg.Client,
  table: Table,
  row: ReadonlyMap<string, string>,
  withoutTriggers: boolean,
): Promise<boolean> {
  const columns = [...row.keys()].map(quoteIdentifier).join(', ');
  const statement =
    row.size === 0
      ? `insert into ${table.name} default values`
      : `insert into ${table.name} (${columns}) values (${[...row.values()].join(', ')})`;
  const triggers = (what: string) => (withoutTriggers ? `alter table ${table.name} ${what} trigger user;` : '');
  try {
    await client.query(`begin; ${triggers('disable')} ${statement}; ${triggers('enable')} commit`);
    return true;
  } catch {
    await client.query('rollback');
    return false;
  }
}

/** A row as SQL, by column; undefined while a table that it refers to is empty. */
async function rowOf(
  client: pg.Client,
  table: Table,
  n: number,
  attempt: number,
): Promise<Map<string, string> | undefined> {
  const row = new Map<string, string>();
  for (const column of table.columns) {
    if (column.isGenerated || (column.hasDefault && (n + attempt) % 2 === 0)) continue;
    if (column.mayBeNull && (n + attempt) % 4 === 3) row.set(column.name, 'null');
    else row.set(column.name, sampleFor(column, table.words, n, attempt));
  }
  for (const { columns, target, targetColumns } of table.references) {
    const wanted = targetColumns.map((column) => `${quoteIdentifier(column)}::text as ${quoteIdentifier(column)}`);
    const { rows } = await client.query(`select ${wanted.join(', ')} from ${target} limit 1 offset $1`, [n % 3]);
    const found = rows[0] ?? (await client.query(`select ${wanted.join(', ')} from ${target} limit 1`)).rows[0];
    const mayBeNull = columns.every((name) => table.columns.find((column) => column.name === name)?.mayBeNull);
    if (!found && !mayBeNull) return undefined;
    for (const [at, name] of columns.entries()) {
      const value = found?.[targetColumns[at] ?? ''];
      row.set(name, value == null ? 'null' : pg.escapeLiteral(value));
    }
  }
  return row;
}

function sampleFor(column: Column, words: readonly string[], n: number, attempt: number): string {
  const isPlain = attempt > 0;
  const { base, labels, modifier, type } = column;
  const value =
    labels?.[n % labels.length] ??
    (attempt > 1 && TEXTUAL.test(base) ? words[(n + attempt) % words.length] : undefined);
  const sample = value ?? sampleOf(base.replace(/^_/, ''), modifier, n, isPlain);
  if (sample === undefined) return 'null';
  if (!column.isArray) return `${pg.escapeLiteral(sample)}::${type}`;
  return n % 2 === 0 ? `'{}'::${type}` : `array[${pg.escapeLiteral(sample)}]::${type}`;
}

const TEXTUAL = /^_?(text|varchar|bpchar|citext|name)$/;

function sampleOf(base: string, modifier: number, n: number, isPlain: boolean): string | undefined {
  const length = modifier > 4 ? modifier - 4 : undefined;
  const [digits, behind] = modifier > 4 ? [((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff] : [6, 2];
  switch (base) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'citext':
    case 'name':
      return sampleText(n, isPlain, length);
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'money':
      return String(n + 1);
    case 'float4':
    case 'float8':
      return isPlain ? '1' : (['0.1', '-1.5e-7', 'NaN', '123456.789', 'Infinity'][n % 5] ?? '0');
    case 'numeric':
      return sampleNumber(n, digits, behind);
    case 'bool':
      return String(n % 2 === 0);
    case 'bytea':
      return `\\x00ff5c27${String(n).padStart(2, '0')}`;
    case 'date':
      return sampleDay(n);
    case 'time':
    case 'timetz':
      return sampleTime(n);
    case 'timestamp':
    case 'timestamptz':
      return `${sampleDay(n)} ${sampleTime(n)}.123456`;
    case 'interval':
      return `${n} months ${n} days 00:00:0${n}`;
    case 'uuid':
      return sampleUuid(n);
    case 'json':
    case 'jsonb':
      return SAMPLE_JSON;
    case 'inet':
    case 'cidr':
      return `192.0.2.${n + 1}`;
    case 'macaddr':
      return `08:00:2b:01:02:0${n}`;
    case 'xml':
      return `<a b="${n}">ü</a>`;
    case 'bit':
    case 'varbit':
      return '1'.padEnd(Math.max(1, modifier), '0');
    case 'tsvector':
      return `'it''s':1A 'word${n}':2`;
    case 'hstore':
      return `"k"=>"v${n}", "n"=>NULL`;
    case 'ltree':
      return `a.b${n}`;
    case 'point':
      return `(${n}, 0.1)`;
    case 'int4range':
    case 'int8range':
    case 'numrange':
      return `[${n * 10},${n * 10 + 5})`;
    case 'tsrange':
    case 'tstzrange':
    case 'daterange':
      return `[${sampleDay(n)},)`;
    default:
      return undefined;
  }
}
