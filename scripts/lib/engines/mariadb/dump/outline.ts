import { createHash } from 'node:crypto';
import { messageOf } from '../../../errors.ts';
import { type Outline, outlineLine } from '../../../repository/outline.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, errorName } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';

/** What each row of a query says of a table, a view or a routine, in one respect. Rows in an order that does not change. */
interface Said {
  readonly kind: string;
  readonly name: string;
  readonly respect: string;
  readonly text: string | null;
}

const text = (...columns: string[]) =>
  `concat_ws(char(31), ${columns.map((each) => `coalesce(${each}, '')`).join(', ')})`;

const QUERIES = [
  `select 'table' as kind, table_name as name, 'columns' as respect, ${text('column_name', 'column_type', 'is_nullable', "coalesce(column_default, '<none>')", 'extra', 'generation_expression', 'collation_name', 'column_comment')} as text
   from information_schema.columns where table_schema = ? order by binary table_name, ordinal_position`,
  `select 'table' as kind, table_name as name, 'indexes' as respect, ${text('index_name', 'non_unique', 'seq_in_index', 'column_name', 'sub_part', 'index_type')} as text
   from information_schema.statistics where table_schema = ? order by binary table_name, binary index_name, seq_in_index`,
  `select 'table' as kind, table_name as name, 'constraints' as respect, ${text('k.constraint_name', 'k.column_name', 'k.referenced_table_name', 'k.referenced_column_name', 'r.update_rule', 'r.delete_rule')} as text
   from information_schema.key_column_usage k left join information_schema.referential_constraints r
     using (constraint_schema, constraint_name, table_name)
   where constraint_schema = ? and k.referenced_table_name is not null
   order by binary table_name, binary k.constraint_name, k.ordinal_position`,
  `select 'table' as kind, table_name as name, 'constraints' as respect, ${text('constraint_name', 'check_clause')} as text
   from information_schema.check_constraints where constraint_schema = ? order by binary table_name, binary constraint_name`,
  `select 'table' as kind, event_object_table as name, 'rules' as respect, ${text('trigger_name', 'action_timing', 'event_manipulation', 'action_statement', 'definer')} as text
   from information_schema.triggers where event_object_schema = ? order by binary event_object_table, binary trigger_name`,
  `select 'view' as kind, table_name as name, 'rules' as respect, ${text('view_definition', 'security_type', 'definer')} as text
   from information_schema.views where table_schema = ? order by binary table_name`,
  `select lower(routine_type) as kind, routine_name as name, 'body' as respect, ${text('routine_definition', 'dtd_identifier', 'security_type', 'definer')} as text
   from information_schema.routines where routine_schema = ? order by binary routine_name`,
];

/** What the database has at this moment, for later comparisons. Where it cannot be had there is none. */
export async function readOutline(connection: Connection, database: string): Promise<Outline | undefined> {
  try {
    const tables = await connection.query<{ name: string; type: string; bytes: string | null; options: string }>(
      `select table_name as name, table_type as type, cast(data_length + index_length as char) as bytes,
         ${text('engine', 'row_format', 'table_collation', 'create_options', 'table_comment')} as options
       from information_schema.tables where table_schema = ?`,
      [database],
    );
    const isView = new Set(tables.filter(({ type }) => type === 'VIEW').map(({ name }) => name));
    // they are made by other statements, and stand in the manifest with where they stand
    const isSequence = new Set(tables.filter(({ type }) => type === 'SEQUENCE').map(({ name }) => name));
    const digests = new Map<string, Map<string, ReturnType<typeof createHash>>>();
    const add = ({ kind, name, respect, text: said }: Said) => {
      if (kind === 'table' && isSequence.has(name)) return;
      const key = `${kind === 'table' && isView.has(name) ? 'view' : kind} ${displayName(name)}`;
      const parts = digests.get(key) ?? new Map();
      digests.set(key, parts);
      const digest = parts.get(respect) ?? createHash('sha256');
      parts.set(respect, digest.update(said ?? '').update('\n'));
    };
    for (const query of QUERIES) for (const row of await connection.query<Said>(query, [database])) add(row);
    for (const { name, type, options } of tables)
      if (/^(BASE TABLE|SYSTEM VERSIONED)$/.test(type)) add({ kind: 'table', name, respect: 'rules', text: options });
    const bytesOf = new Map(tables.map(({ name, bytes }) => [`table ${displayName(name)}`, bytes]));
    return Object.fromEntries(
      [...digests].map(([key, parts]) => [
        key,
        outlineLine({
          ...(bytesOf.get(key) ? { bytes: Number(bytesOf.get(key)) } : {}),
          parts: Object.fromEntries([...parts].map(([respect, digest]) => [respect, digest.digest('hex').slice(0, 8)])),
        }),
      ]),
    );
  } catch (error) {
    if (!errorName(error)?.startsWith('ER_')) throw error;
    log.warn(
      `diff will know the rows of this backup alone, for its definitions could not be read: ${messageOf(error)}`,
    );
    return undefined;
  }
}
