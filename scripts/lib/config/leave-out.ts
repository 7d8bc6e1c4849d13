import type { EngineName } from '../formats.ts';
import type { LeaveOut } from '../source.ts';

/** What a source says in variables beside its URL: BACKUP_SOURCE_SHOP_EXCLUDE_TABLE. */
const OPTION = /_(EXCLUDE_TABLE_DATA|EXCLUDE_TABLE|EXCLUDE_SCHEMA|EXCLUDE)$/;

/** The same in the URL, of a database. */
export const EXCLUDING = ['exclude-table', 'exclude-table-data', 'exclude-schema'] as const;

/** Whether a variable of the family says something of a source, and is none itself, as one named so would be. */
export function isOption(name: string, value: string): boolean {
  return OPTION.test(name) && !value.includes('://');
}

/** The variable of the source that such a one is about. */
export const optionOf = (name: string): string => name.replace(OPTION, '');

const isSaid = (env: Readonly<Record<string, string | undefined>>, name: string) =>
  env[name] !== undefined && isOption(name, env[name]);
const suffixOf = (option: string) => option.toUpperCase().replaceAll('-', '_');

/** Patterns between commas or spaces; what stands in double quotes is whole. */
export function patternsIn(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|[^\s,"])+|"/g) ?? [];
}

/**
 * What is left out of a folder, as gitignore has it, each in one piece: its double quotes only say where a pattern ends.
 * @throws Error where it is set for what is none, or what is of databases alone is set for a folder
 */
export function readFolderPatterns(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  query: URLSearchParams,
): string[] {
  const foreign = EXCLUDING.map((option) => `${variable}_${suffixOf(option)}`).find((name) => isSaid(env, name));
  if (foreign !== undefined) throw new Error(`is a folder, and ${foreign} is of databases: use ${variable}_EXCLUDE`);
  // of several that fit the last one counts: a variable takes back what the URL leaves out
  const patterns = [...query.getAll('exclude'), env[`${variable}_EXCLUDE`] ?? ''].flatMap(patternsIn);
  assertClosed(patterns);
  return patterns.map((pattern) =>
    pattern.replace(/"((?:[^"]|"")*)"/g, (_, inner: string) => inner.replaceAll('""', '"')),
  );
}

/** @throws Error naming a pattern that begins with a double quote and does not end with one */
function assertClosed(patterns: readonly string[]): void {
  for (const pattern of patterns)
    if ((pattern.replaceAll('""', '').match(/"/g) ?? []).length % 2 === 1)
      throw new Error(`the pattern ${pattern} lacks a closing "`);
}

/** What is left out by variables that begin with this name, and by the query of a URL; undefined when nothing is. */
export function readLeaveOut(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  query?: URLSearchParams,
): LeaveOut | undefined {
  if (isSaid(env, `${variable}_EXCLUDE`))
    throw new Error(`is a database, and ${variable}_EXCLUDE is of folders: use ${variable}_EXCLUDE_TABLE`);
  const read = (option: string) =>
    [env[`${variable}_${suffixOf(option)}`] ?? '', ...(query?.getAll(option) ?? [])].flatMap(patternsIn);
  const [tables = [], data = [], schemas = []] = EXCLUDING.map(read);
  return tables.length + data.length + schemas.length === 0 ? undefined : { tables, data, schemas };
}

/** @throws Error naming a pattern that is none, or what this engine has not */
export function assertPatterns(engine: EngineName, leaveOut: LeaveOut | undefined): void {
  if (leaveOut === undefined) return;
  if (engine === 'mariadb' && leaveOut.schemas.length > 0)
    throw new Error('MariaDB has no schemas in a database: exclude-schema is of PostgreSQL alone');
  assertClosed(Object.values(leaveOut).flat());
}
