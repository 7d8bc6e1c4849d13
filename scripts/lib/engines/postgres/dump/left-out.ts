import { OperatorError } from '../../../errors.ts';
import type { LeftOut } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { type NamePattern, parsePattern } from './name-pattern.ts';
import { needingCode } from './needing-code.ts';
import { referencesTo } from './references.ts';

/** What a dump is to leave out, found in the database. */
export interface Omission {
  /** For the manifest, as row counts have the names. */
  readonly leftOut: LeftOut;
  /** Those of its tables that are there without their rows. */
  readonly emptiedTables: readonly string[];
  /** By which pg_dump leaves it out. */
  readonly options: readonly string[];
  /** What of that which stays works with it, and how that ends, as sentences. */
  readonly warnings: readonly string[];
  /** Whether a relation of this name is in no dump at all. */
  isGone(name: string): boolean;
  /** Whether it is there, without its rows or its place. */
  isEmptied(name: string): boolean;
}

interface Relation {
  readonly oid: string;
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
  readonly kind: string;
}

/** Partitions go where the table goes that they are parts of. */
const MATCHING = `
  with recursive fitting as (
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = any ($3::"char"[]) and c.relpersistence <> 't'
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and c.relname ~ $1 and case when $2::text is null then pg_table_is_visible(c.oid) else n.nspname ~ $2 end
    union select i.inhrelid from pg_inherits i join fitting f on f.oid = i.inhparent
      join pg_class p on p.oid = i.inhrelid where p.relispartition)
  select c.oid::text as oid, n.nspname as schema, c.relname as relation, format('%I.%I', n.nspname, c.relname) as name, c.relkind::text as kind
  from fitting join pg_class c using (oid) join pg_namespace n on n.oid = c.relnamespace order by 4`;

const ALL_RELATIONS = ['r', 'p', 'f', 'm', 'v', 'S'];
const WITH_ROWS = ['r', 'p', 'm', 'S'];

/**
 * What the source's patterns fit in this database; undefined when it has none. A pattern that fits nothing is told of. Names
 * without a schema are looked for where the database's search path leads, as pg_dump does.
 *
 * @throws OperatorError CONFIG when something that stays refers to what is left out, for its restore would fail
 */
export async function findOmission(connection: Connection, source: DatabaseSource): Promise<Omission | undefined> {
  const wanted = source.leaveOut;
  if (wanted === undefined) return undefined;
  // names without a schema are those that the application sees
  await connection.query('reset search_path');
  const tables = await fitting(connection, source, 'EXCLUDE_TABLE', wanted.tables, ALL_RELATIONS);
  const data = await fitting(connection, source, 'EXCLUDE_TABLE_DATA', wanted.data, WITH_ROWS);
  await connection.query('set search_path = pg_catalog');
  const schemas = await fittingSchemas(connection, source, wanted.schemas);
  const inSchemas = await relationsIn(connection, schemas);
  const gone = new Map([...tables, ...inSchemas].map((each) => [each.oid, each]));
  const emptied = data.filter(({ oid }) => !gone.has(oid));
  await assertSomethingStays(connection, source, gone);
  await assertNothingRefers(connection, source, {
    gone: [...gone.keys()],
    emptied: emptied.map(({ oid }) => oid),
    schemas,
  });
  await tellOfNoRows(connection, source, [...gone.keys(), ...emptied.map(({ oid }) => oid)]);
  const owned = await ownedSequences(connection, [...gone.keys()]);
  const goneNames = new Set([...[...gone.values()].map(({ name }) => name), ...owned]);
  const emptiedNames = new Set(emptied.map(({ name }) => name));
  const leftOut = {
    tables: tables.filter(({ schema }) => !schemas.includes(schema)).map(({ name }) => name),
    data: [...emptiedNames],
    schemas: schemas.map(quoteIfNeeded),
  };
  if (goneNames.size + emptiedNames.size + schemas.length === 0) return undefined;
  const warnings = await needingCode(connection, { gone: [...gone.values()], emptied });
  return {
    leftOut,
    emptiedTables: emptied.filter(({ kind }) => kind === 'r').map(({ name }) => name),
    options: [
      ...schemas.map((name) => `--exclude-schema=${quoteIdentifier(name)}`),
      ...tables.map((each) => `--exclude-table=${exactly(each)}`),
      ...emptied.map((each) => `--exclude-table-data=${exactly(each)}`),
    ],
    warnings,
    isGone: (name) => goneNames.has(name),
    isEmptied: (name) => emptiedNames.has(name),
  };
}

const exactly = ({ schema, relation }: Relation) => `${quoteIdentifier(schema)}.${quoteIdentifier(relation)}`;
const quoteIfNeeded = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdentifier(name));

async function fitting(
  connection: Connection,
  source: DatabaseSource,
  option: string,
  patterns: readonly string[],
  kinds: readonly string[],
): Promise<Relation[]> {
  const found = new Map<string, Relation>();
  for (const text of patterns) {
    const { name, schema }: NamePattern = parsePattern(text);
    const rows = await connection.query<Relation & Record<string, unknown>>(MATCHING, [name, schema ?? null, kinds]);
    if (rows.length === 0) tellOfNothing(source, option, text);
    for (const row of rows) found.set(row.oid, row);
  }
  return [...found.values()];
}

async function fittingSchemas(
  connection: Connection,
  source: DatabaseSource,
  patterns: readonly string[],
): Promise<string[]> {
  const found = new Set<string>();
  for (const text of patterns) {
    const rows = await connection.query<{ name: string }>(
      "select nspname as name from pg_namespace where nspname ~ $1 and nspname <> 'information_schema' and nspname !~ '^pg_' order by 1",
      [parsePattern(text).name],
    );
    if (rows.length === 0) tellOfNothing(source, 'EXCLUDE_SCHEMA', text);
    for (const { name } of rows) found.add(name);
  }
  return [...found];
}

function tellOfNothing({ name, database }: DatabaseSource, option: string, pattern: string): void {
  log.warn(
    `source ${name}: ${option} has the pattern ${pattern}, which fits nothing in ${database}: nothing is left out by it`,
  );
}

async function relationsIn(connection: Connection, schemas: readonly string[]): Promise<Relation[]> {
  if (schemas.length === 0) return [];
  return connection.query<Relation & Record<string, unknown>>(
    `select c.oid::text as oid, n.nspname as schema, c.relname as relation, format('%I.%I', n.nspname, c.relname) as name,
       c.relkind::text as kind
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = any ($1) and c.relkind = any ($2::"char"[])`,
    [schemas, ALL_RELATIONS],
  );
}

async function ownedSequences(connection: Connection, oids: readonly string[]): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_depend d
       join pg_class c on c.oid = d.objid and c.relkind = 'S' join pg_namespace n on n.oid = c.relnamespace
     where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
       and d.refobjid = any ($1::oid[])`,
    [oids],
  );
  return rows.map(({ name }) => name);
}

/** Whether there is a table that is none of these, or none at all. */
async function stays(connection: Connection, oids: readonly string[]): Promise<boolean> {
  const [row] = await connection.query<{ stays: boolean; any: boolean }>(
    `select coalesce(bool_or(not c.oid = any ($1::oid[])), false) as stays, count(*) > 0 as any
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`,
    [oids],
  );
  return row?.any !== true || row.stays;
}

/** @throws OperatorError CONFIG for patterns that fit every table */
async function assertSomethingStays(
  connection: Connection,
  source: DatabaseSource,
  gone: ReadonlyMap<string, Relation>,
): Promise<void> {
  if (gone.size === 0) return;
  if (await stays(connection, [...gone.keys()])) return;
  throw refusal(source, `every table of ${source.database} is left out: there would be nothing in the backup`);
}

/** A backup of definitions alone may be what is wanted, and may be a pattern that fits more than it was meant to. */
async function tellOfNoRows(connection: Connection, source: DatabaseSource, without: readonly string[]): Promise<void> {
  if (without.length === 0 || (await stays(connection, without))) return;
  log.warn(
    `source ${source.name}: the rows of every table of ${source.database} are left out: there are definitions alone in the backup`,
  );
}

async function assertNothingRefers(
  connection: Connection,
  source: DatabaseSource,
  what: { gone: readonly string[]; emptied: readonly string[]; schemas: readonly string[] },
): Promise<void> {
  const references = await referencesTo(connection, what);
  const [first] = references;
  if (!first) return;
  const said = references.slice(0, 5).map(({ referring, to, why }) => `${to} is left out, and ${referring} ${why}`);
  const more = references.length > 5 ? ` (and ${references.length - 5} more)` : '';
  throw refusal(source, `what is left out is needed by what stays: ${said.join('; ')}${more}`);
}

function refusal({ name, variable }: DatabaseSource, message: string): OperatorError {
  const where = variable === 'POSTGRES_DB' ? 'BACKUP_EXCLUDE_…' : `?exclude-… in ${variable}, or ${variable}_EXCLUDE_…`;
  return new OperatorError('CONFIG', `source ${name}: ${message}`, {
    hint: `Such a backup could not be restored. Leave out what refers to it too, or take the pattern back (${where}). Nothing was stored.`,
  });
}
