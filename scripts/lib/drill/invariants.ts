import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from '../engines/engine.ts';
import { codeOf, messageOf, OperatorError } from '../errors.ts';

/** A query of the operator's that must return no rows. */
export interface Invariant {
  readonly name: string;
  readonly sql: string;
}

/**
 * The queries in DRILL_CHECKS: every `*.sql` of the folder, and of the subfolder named like the source. A file that
 * holds comments alone is switched off. A folder that is not there holds none.
 */
export function readInvariants(directory: string, source: string): Invariant[] {
  return ['', source].flatMap((folder) => {
    const path = join(directory, folder);
    return sqlFiles(path)
      .map((file) => ({ name: join(folder, file), sql: readFileSync(join(path, file), 'utf8') }))
      .filter(({ sql }) => withoutComments(sql).trim() !== '');
  });
}

function sqlFiles(path: string): string[] {
  try {
    return readdirSync(path)
      .filter((file) => file.endsWith('.sql'))
      .sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new OperatorError('CONFIG', `DRILL_CHECKS: ${messageOf(error)}`, { cause: error });
  }
}

function withoutComments(sql: string): string {
  return sql.replace(/\/\*[\s\S]*?\*\//g, '').replace(/--[^\n]*/g, '');
}

/** Runs the queries against what was restored; each is a check of its own, and one that fails stops none. */
export async function checkInvariants(
  query: (sql: string) => Promise<Record<string, unknown>[]>,
  invariants: readonly Invariant[],
): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { name, sql } of invariants) {
    try {
      const rows = await query(sql);
      checks.push(
        rows.length === 0
          ? { name, ok: true, detail: 'no rows, as it should be' }
          : {
              name,
              ok: false,
              detail: `it returned rows; the first: ${rows.map((row) => JSON.stringify(row)).join(' ')}`,
            },
      );
    } catch (error) {
      checks.push({ name, ok: false, detail: `the check itself failed: ${messageOf(error)}` });
    }
  }
  return checks;
}
