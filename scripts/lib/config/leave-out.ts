import type { LeaveOut } from '../source.ts';

/** What a source says in variables beside its URL: BACKUP_SOURCE_SHOP_EXCLUDE_TABLE. */
const OPTION = /_(EXCLUDE_TABLE_DATA|EXCLUDE_TABLE|EXCLUDE_SCHEMA)$/;

/** The same in the URL. */
export const EXCLUDING = ['exclude-table', 'exclude-table-data', 'exclude-schema'] as const;

/** Whether a variable of the family says something of a source, and is none itself, as one named so would be. */
export function isOption(name: string, value: string): boolean {
  return OPTION.test(name) && !value.includes('://');
}

/** The variable of the source that such a one is about. */
export const optionOf = (name: string): string => name.replace(OPTION, '');

/** Patterns between commas or spaces; what stands in double quotes is whole. */
export function patternsIn(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|[^\s,"])+|"/g) ?? [];
}

/** What is left out by variables that begin with this name, and by the query of a URL; undefined when nothing is. */
export function readLeaveOut(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  query?: URLSearchParams,
): LeaveOut | undefined {
  const read = (option: string) =>
    [env[`${variable}_${option.toUpperCase().replaceAll('-', '_')}`] ?? '', ...(query?.getAll(option) ?? [])].flatMap(
      patternsIn,
    );
  const [tables = [], data = [], schemas = []] = EXCLUDING.map(read);
  return tables.length + data.length + schemas.length === 0 ? undefined : { tables, data, schemas };
}
