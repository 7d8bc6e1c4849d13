import type { Manifest } from './manifest.ts';

/** What a backup leaves out on purpose, as a sentence's part; undefined when it holds all of its source. */
export function describeLeftOut(manifest: Pick<Manifest, 'leftOut'> | undefined): string | undefined {
  const { tables = [], data = [], schemas = [], patterns = [] } = manifest?.leftOut ?? {};
  const parts = [
    schemas.length > 0 && `the ${schemas.length === 1 ? 'schema' : 'schemas'} ${named(schemas)}`,
    tables.length > 0 && named(tables),
    data.length > 0 && `the data of ${named(data)}`,
    patterns.length > 0 && `files like ${named(patterns)}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? undefined : parts.join('; ');
}

const NAMED = 10;

function named(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${more}`;
}

/** Whether the rows of a table, or all of it, are left out of a backup. @param table as row counts have it */
export function isLeftOut({ leftOut }: Pick<Manifest, 'leftOut'>, table: string): boolean {
  const { tables = [], data = [], schemas = [] } = leftOut ?? {};
  return tables.includes(table) || data.includes(table) || schemas.some((schema) => table.startsWith(`${schema}.`));
}

/** What of a restored place is there, though the backup leaves it out: the tables, and those with rows whose rows it leaves out. */
export function notLeftOut(
  { leftOut }: Pick<Manifest, 'leftOut'>,
  found: readonly { readonly table: string; readonly rows: number }[],
): string[] {
  const { tables = [], data = [], schemas = [] } = leftOut ?? {};
  return found
    .filter(
      ({ table, rows }) =>
        tables.includes(table) ||
        schemas.some((schema) => table.startsWith(`${schema}.`)) ||
        (rows > 0 && data.includes(table)),
    )
    .map(({ table }) => `${table} is left out of the backup, and is there all the same`);
}
