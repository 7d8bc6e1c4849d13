import type { DumpDigest } from './digest.ts';
import { ABOUT, type About, type Statement, type TableSum } from './reading.ts';

/** Under that name the bytes of large objects are summed, as if they were a table's rows. */
export const LARGE_OBJECTS = 'large objects';

/** A table whose rows are not those that were dumped; null on the side that has no such table. */
export interface TableDifference {
  readonly table: string;
  readonly expected: TableSum | null;
  readonly restored: TableSum | null;
}

/** Statements that one side has and the other has not. */
export interface StatementDifference {
  readonly about: About;
  readonly object: string;
  readonly missing: readonly Statement[];
  readonly extra: readonly Statement[];
}

/** What two readings have in common, and what not. */
export interface Comparison {
  /** Tables and rows that were compared, large objects apart. */
  readonly tables: number;
  readonly rows: number;
  readonly statements: number;
  readonly differingTables: readonly TableDifference[];
  readonly differingStatements: readonly StatementDifference[];
}

/** Holds what was restored against what was dumped, as two readings of dumps have it. */
export function compareDigests(expected: DumpDigest, restored: DumpDigest): Comparison {
  const names = new Set([...expected.tables.keys(), ...restored.tables.keys()]);
  const differingTables: TableDifference[] = [];
  for (const table of names) {
    const [a = null, b = null] = [expected.tables.get(table), restored.tables.get(table)];
    if (a?.rows !== b?.rows || a?.sum !== b?.sum || !haveSameColumns(a, b))
      differingTables.push({ table, expected: a, restored: b });
  }
  const tables = [...restored.tables.values()].filter(({ name }) => name !== LARGE_OBJECTS);
  return {
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    statements: restored.statements.filter(({ about }) => about === 'definitions').length,
    differingTables,
    differingStatements: compareStatements(expected.statements, restored.statements),
  };
}

function haveSameColumns(a: TableSum | null, b: TableSum | null): boolean {
  return a === null || b === null || a.columns.join('\0') === b.columns.join('\0');
}

/** Statements of which one side has more than the other, by what they are about and by object. */
export function compareStatements(
  expected: readonly Statement[],
  restored: readonly Statement[],
): StatementDifference[] {
  const keyOf = ({ about, hash }: Statement) => `${about} ${hash}`;
  const open = grouped(expected, keyOf);
  const extra = restored.filter((statement) => open.get(keyOf(statement))?.pop() === undefined);
  const missing = [...open.values()].flat();
  return ABOUT.flatMap((about) => {
    const of = (some: readonly Statement[]) =>
      grouped(
        some.filter((each) => each.about === about),
        objectOf,
      );
    const [lacking, besides] = [of(missing), of(extra)];
    return [...new Set([...lacking.keys(), ...besides.keys()])].map((object) => ({
      about,
      object,
      missing: lacking.get(object) ?? [],
      extra: besides.get(object) ?? [],
    }));
  });
}

/** By what they have in common, in their order. In one pass: a database has a hundred thousand of them, and all may differ. */
function grouped(statements: readonly Statement[], keyOf: (statement: Statement) => string): Map<string, Statement[]> {
  const groups = new Map<string, Statement[]>();
  for (const statement of statements) {
    const group = groups.get(keyOf(statement));
    if (group) group.push(statement);
    else groups.set(keyOf(statement), [statement]);
  }
  return groups;
}

/** A sequence by its name, where it stands at two places. */
function objectOf({ about, object }: Statement): string {
  return about === 'sequences' ? object.replace(/ = .*$/, '') : object;
}

/** Of longer definitions not all is known. */
const WHOLE_CHARACTERS = 4_000;

/** Whether all that differs is the order of the columns of a table that inherits some: a load takes those of its parents first. */
export function areColumnsReordered({ missing, extra }: StatementDifference): boolean {
  const [a = '', b = ''] = [missing, extra].map(([only, ...more]) => (more.length > 0 ? '' : only?.text));
  if (![a, b].every((text) => /\n\)\nINHERITS \(/.test(text) && text.length < WHOLE_CHARACTERS)) return false;
  const lines = (text: string) =>
    text
      .split('\n')
      .map((line) => line.replace(/,$/, ''))
      .sort()
      .join('\n');
  return lines(a) === lines(b);
}

const SHOWN_CHARACTERS = 160;

/** What of an object's definition differs, in words: the first line that does, of each side. */
export function describeStatement({ about, object, missing, extra }: StatementDifference): string {
  const [a, b] = [missing[0], extra[0]];
  if (about === 'sequences') return `sequence ${object}: ${placeOf(b) ?? 'missing'}, expected ${placeOf(a) ?? 'none'}`;
  if (a && !b) return `${object} lacks: ${shown(a.text)}`;
  if (b && !a) return `${object} has besides: ${shown(b.text)}`;
  const [ours = '', theirs = ''] = firstDifference(b?.text ?? '', a?.text ?? '');
  return `${object}: ${shown(ours)}, expected ${shown(theirs)}`;
}

function placeOf(statement: Statement | undefined): string | undefined {
  return statement && (/ = (.*)$/.exec(statement.object)?.[1] ?? statement.object);
}

function firstDifference(a: string, b: string): [string, string] {
  const [as, bs] = [a.split('\n'), b.split('\n')];
  const at = as.findIndex((line, index) => line !== bs[index]);
  if (at < 0) return [a, b];
  return [as[at] ?? '', bs[at] ?? 'nothing'];
}

function shown(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
}
