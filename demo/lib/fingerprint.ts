import { createHash } from 'node:crypto';
import { OperatorError } from '../../scripts/lib/errors.ts';
import type { Place } from './place.ts';

/** What a database holds, so that two states of it can be told apart to the last byte. */
export interface Fingerprint {
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  readonly largeObjects: number;
  readonly sequences: number;
  /** Columns, constraints, indexes, triggers, views and functions. */
  readonly definitions: number;
  /** SHA-256 over all of these: rows, large objects, sequences and definitions. */
  readonly digest: string;
}

const OPTIONS = ['--no-align', '--tuples-only', '--field-separator=|'] as const;
const FIELDS = ['kind', 'name', 'n', 'digest'] as const;
const KINDS = ['table', 'sequence', 'large objects', 'definitions'] as const;

/**
 * Prints a line for each table and sequence, and one each for the
 * large objects and the definitions. Rows are ordered by their text, so that their place on the disk does not matter.
 * It shares nothing with the counting that backups and restores do.
 */
const SQL = String.raw`
set timezone = 'UTC';
set datestyle = 'ISO';
select format(
  'select ''table'', %L, count(*), encode(sha256(convert_to(coalesce(string_agg(t::text, e''\n'' order by t::text collate "C"), ''''), ''UTF8'')), ''hex'') from %I.%I t',
  tablename, schemaname, tablename)
from pg_tables where schemaname = 'public' order by tablename
\gexec
select format('select ''sequence'', %L, 1, last_value || case when is_called then '' called'' else '' fresh'' end from %I.%I',
  sequencename, schemaname, sequencename)
from pg_sequences where schemaname = 'public' order by sequencename
\gexec
select 'large objects', '', (select count(*) from pg_largeobject_metadata),
  encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', loid, pageno, encode(data, 'hex')), e'\n' order by loid, pageno), ''), 'UTF8')), 'hex')
from pg_largeobject;
select 'definitions', '', count(*),
  encode(sha256(convert_to(coalesce(string_agg(line, e'\n' order by line collate "C"), ''), 'UTF8')), 'hex')
from (
  select concat_ws(' ', 'column', table_name, ordinal_position, column_name, data_type, column_default, is_nullable, identity_generation)
  from information_schema.columns where table_schema = 'public'
  union all
  select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
  from pg_constraint where connamespace = 'public'::regnamespace
  union all
  select concat_ws(' ', 'index', indexdef) from pg_indexes where schemaname = 'public'
  union all
  select concat_ws(' ', 'trigger', pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal
  union all
  select concat_ws(' ', 'view', viewname, definition) from pg_views where schemaname = 'public'
  union all
  select concat_ws(' ', 'function', pg_get_functiondef(oid)) from pg_proc where pronamespace = 'public'::regnamespace
) as definitions (line);
`;

/** Takes the fingerprint of a database. */
export async function fingerprint(place: Place, database: string): Promise<Fingerprint> {
  const output = await place.psql(database, SQL, OPTIONS);
  const lines = output.split('\n').filter((line) => line !== '');
  const rows = lines.map((line) => {
    const [kind, name, n, digest, ...more] = line.split('|');
    const count = Number(n);
    const known = KINDS.find((k) => k === kind);
    if (!known || !digest || name === undefined || !Number.isInteger(count) || more.length > 0) {
      throw new OperatorError('PROCESS_FAILED', `psql answered ${JSON.stringify(line)}, expected ${FIELDS.join('|')}`);
    }
    return { kind: known, name, count };
  });
  const of = (kind: (typeof KINDS)[number]) => rows.filter((row) => row.kind === kind);
  const total = (kind: (typeof KINDS)[number]) => of(kind).reduce((sum, { count }) => sum + count, 0);
  return {
    tables: of('table').map(({ name, count }) => ({ name, rows: count })),
    largeObjects: total('large objects'),
    sequences: total('sequence'),
    definitions: total('definitions'),
    digest: createHash('sha256').update(lines.join('\n')).digest('hex'),
  };
}
