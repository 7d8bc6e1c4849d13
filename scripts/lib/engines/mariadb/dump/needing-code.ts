import type { Connection } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import type { Omission } from './left-out.ts';

const CODE = `
  select lower(routine_type) as kind, routine_name as name, null as \`on\`, routine_definition as text
    from information_schema.routines where routine_schema = ?
  union all select 'trigger', trigger_name, event_object_table, action_statement
    from information_schema.triggers where event_object_schema = ?
  union all select 'event', event_name, null, event_definition from information_schema.events where event_schema = ?
  order by 1, 2`;

/**
 * Code that stays in a dump and works with tables that are left out of it: it is made without them, and fails when it comes to
 * them, and with it the views that call it and the changes that it is told of.
 *
 * @returns a sentence
 */
export async function needingCode(
  connection: Connection,
  database: string,
  { gone, triggers }: Omission,
): Promise<string[]> {
  if (gone.size === 0) return [];
  const rows = await connection.query<{ kind: string; name: string; on: string | null; text: string | null }>(CODE, [
    database,
    database,
    database,
  ]);
  const found = rows.flatMap(({ kind, name, on, text }) => {
    if (kind === 'trigger' && triggers.includes(name)) return [];
    const tables = [...gone].filter((table) => worksWith(text ?? '', table, database, connection.nameCase !== 0));
    const place = on === null ? '' : ` of table ${displayName(on)}`;
    return tables.length === 0 ? [] : [`${kind} ${displayName(name)}${place} (${tables.map(displayName).join(', ')})`];
  });
  if (found.length === 0) return [];
  return [
    `code that is in the backup works with tables that are left out of it, and fails where a restore makes it without them, with the views that call it and the changes that set it off: ${found.join('; ')}. Leave it out too, leave out the rows alone (EXCLUDE_TABLE_DATA), or make the tables after a restore`,
  ];
}

/** Whether the text of a routine reads or changes this table; the server notes nowhere what it does. */
export function worksWith(text: string, table: string, database: string, ignoresCase: boolean): boolean {
  const code = text.replaceAll(/#[^\n]*|--\s[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|''|\\.)*'/g, ' ');
  const spelled = (name: string) => {
    const plain = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return `(?:\`${plain.replaceAll('`', '``')}\`|${plain})`;
  };
  const named = `(?:${spelled(database)}\\s*\\.\\s*)?${spelled(table)}(?![\\w$\`.])`;
  const words = '(?:low_priority|high_priority|delayed|quick|ignore|table|only)';
  const before = '\\b(?:from|join|into|update|insert|replace|truncate|using)';
  // keywords are read in either case; of the names that is the server's setting
  const expression = new RegExp(`${before}(?:\\s+${words})*[\\s(]+(${named})`, 'gi');
  const exact = new RegExp(`^${named}$`, ignoresCase ? 'i' : '');
  return [...code.matchAll(expression)].some(([, as = '']) => exact.test(as));
}
