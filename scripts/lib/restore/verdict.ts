import type { Check, ProofSide } from '../engines/engine.ts';
import {
  type Comparison,
  describeStatement,
  LARGE_OBJECTS,
  type StatementDifference,
  type TableDifference,
} from '../proof/compare.ts';
import type { DumpDigest } from '../proof/digest.ts';
import type { RowDifference } from '../proof/find-row.ts';
import { describeGlobals } from '../proof/globals.ts';
import type { About } from '../proof/reading.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Manifest } from '../repository/manifest.ts';

/** What was not compared, or may differ, and why. */
export interface Excused {
  readonly what: string;
  readonly why: string;
}

/** All that is known when the readings are done. */
export interface Evidence {
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly side: ProofSide;
  readonly expected: DumpDigest;
  readonly restored: DumpDigest;
  readonly comparison: Comparison;
  readonly rows: ReadonlyMap<string, RowDifference>;
  readonly globals: string | undefined;
  readonly restoredGlobals: string | undefined;
}

const SHOWN = 10;

/** What a drill says of it: `equal: 14 tables, 1,203,441 rows`, or what differs. */
export function judge(evidence: Evidence): { checks: Check[]; notCompared: Excused[] } {
  const { comparison, expected, restored } = evidence;
  const notCompared: Excused[] = [];
  const statements = comparison.differingStatements.filter((difference) => {
    const why = excuseOf(difference, evidence);
    if (why !== undefined) notCompared.push({ what: difference.object, why });
    return why === undefined;
  });
  notCompared.push(...notInDump(evidence));
  const rows = comparison.differingTables.map((difference) => describeTable(difference, evidence));
  if (expected.brokenParts > 0) rows.push('the dump ends within a table or a statement');
  if (restored.brokenParts > 0) rows.push('what was restored could not be read to its end');
  const of = (...about: About[]) =>
    statements.filter((each) => about.includes(each.about)).map((each) => worded(each, evidence));
  const equal = `equal: ${counted(comparison.tables, 'table')}, ${counted(comparison.rows, 'row')}`;
  const globals = describeGlobals(evidence.globals, evidence.restoredGlobals, evidence.side.rolesBefore);
  notCompared.push(...globals.notCompared);
  if (evidence.globals !== undefined && !evidence.side.globals)
    notCompared.push({
      what: 'accounts and their grants',
      why: 'they are given when the restored database is put in place',
    });
  const checks = [
    outcome('content', [...rows, ...of('sequences', 'large objects')], equal),
    outcome('definitions', of('definitions'), `equal: ${counted(comparison.statements, 'statement')}`),
    ...(globals.compared === 0
      ? []
      : [outcome('database and roles', globals.differences, `equal: ${counted(globals.compared, 'statement')}`)]),
  ];
  return { checks, notCompared };
}

function outcome(name: string, differences: readonly string[], detail: string): Check {
  if (differences.length === 0) return { name, ok: true, detail };
  const more = differences.length > SHOWN ? [`and ${differences.length - SHOWN} more`] : [];
  return { name, ok: false, detail: [...differences.slice(0, SHOWN), ...more].join('; ') };
}

/** `1,203,441 rows`. */
export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

function describeTable({ table, expected, restored }: TableDifference, { rows }: Evidence): string {
  if (table === LARGE_OBJECTS) return 'the bytes of large objects are not those that were dumped';
  if (!expected) return `table ${table} is not in the dump and has ${counted(restored?.rows ?? 0, 'row')}`;
  if (!restored) return `table ${table} is missing (${counted(expected.rows, 'row')} expected)`;
  const numbers =
    expected.rows === restored.rows
      ? ''
      : ` (${counted(restored.rows, 'row')}, expected ${expected.rows.toLocaleString('en-US')})`;
  const row = rows.get(table);
  const example = row ? `: ${describeOne(row)}` : columnsOf(expected.columns, restored.columns);
  return `table ${table} differs${numbers}${example}`;
}

function columnsOf(expected: readonly string[], restored: readonly string[]): string {
  if (expected.join('\0') === restored.join('\0')) return '';
  return `: its columns are ${restored.join(', ')}, expected ${expected.join(', ')}`;
}

function describeOne({ row, columns, side }: RowDifference): string {
  if (side === 'missing') return `${row} is missing or changed`;
  if (side === 'extra') return `${row} was not dumped`;
  return `${row} differs${columns.length > 0 ? ` in ${columns.join(', ')}` : ''}`;
}

/** A definition may hold what nobody but its owner should read. */
function worded(difference: StatementDifference, { backup }: Evidence): string {
  if (!backup.encrypted || difference.about === 'sequences') return describeStatement(difference);
  return `${difference.object} is not as it was dumped`;
}

/** What is known to be worded otherwise without being other. */
function excuseOf(difference: StatementDifference, { manifest, side }: Evidence): string | undefined {
  if (difference.about !== 'definitions') return undefined;
  const all = [...difference.missing, ...difference.extra];
  const seriesOf = (version: string) =>
    version
      .split('.')
      .slice(0, side.dialect === 'mariadb' ? 2 : 1)
      .join('.');
  if (manifest && seriesOf(manifest.serverVersion) !== seriesOf(side.serverVersion))
    return `dumped from ${manifest.serverVersion}, read from ${side.serverVersion}: each words definitions in its own way`;
  if (all.every(({ text }) => text.startsWith('COMMENT ON EXTENSION ')))
    return 'the comment of an extension is that of its version';
  if (difference.extra.length === 0) {
    const gone = side
      .leftOut?.()
      .find(({ kind, name }) =>
        [`${kind} ${name}`, `${kind} \`${name.replaceAll('`', '``')}\``].includes(difference.object),
      );
    if (gone) return gone.why;
  }
  // somebody else's program, or another version of ours, puts the same things in other words
  if (!manifest) return 'the dump has no manifest: what wrote it, and in which words, is not known';
  return undefined;
}

/** Tables whose rows are in no dump. */
function notInDump({ expected }: Evidence): Excused[] {
  const excused: Excused[] = [];
  for (const { text, object } of expected.statements) {
    if (/^CREATE .*TABLE /.test(text) && text.includes(' GENERATED ALWAYS AS ('))
      excused.push({ what: object, why: 'its generated columns are in no dump; their expressions are compared' });
    if (text.startsWith('CREATE MATERIALIZED VIEW '))
      excused.push({ what: object, why: 'its rows are in no dump, and are made anew; its definition is compared' });
    if (text.startsWith('CREATE FOREIGN TABLE ')) excused.push({ what: object, why: 'its rows are on another server' });
    if (text.startsWith('CREATE UNLOGGED TABLE ') && !expected.tables.has(object.replace(/^TABLE /, '')))
      excused.push({ what: object, why: 'an unlogged table without rows in the dump, as of a standby' });
  }
  return excused;
}
