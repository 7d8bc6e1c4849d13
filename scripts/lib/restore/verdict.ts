import type { Check } from '../engines/engine.ts';
import type { ProofSide } from '../engines/restoring.ts';
import {
  areColumnsReordered,
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
import { counted } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Manifest } from '../repository/manifest.ts';
import {
  type DerivedPair,
  type Excused,
  judgeDerived,
  notInDump,
  seriesOf,
  unloggedWithoutRows,
} from './not-in-dump.ts';

/** All that is known when the readings are done. */
export interface Evidence {
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly side: ProofSide;
  readonly expected: DumpDigest;
  readonly restored: DumpDigest;
  readonly comparison: Comparison;
  readonly rows: ReadonlyMap<string, RowDifference>;
  readonly derived: readonly DerivedPair[];
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
  const derived = judgeDerived(evidence);
  notCompared.push(...notInDump(evidence, derived.looked), ...derived.notCompared);
  const unlogged = unloggedWithoutRows(expected);
  const engines = evidence.side.otherEngines?.() ?? {};
  for (const [table, engine] of Object.entries(engines))
    notCompared.push({
      what: `the storage engine of ${table}`,
      why: `this server has no ${engine}, and made it in another`,
    });
  const rows = comparison.differingTables
    // what a table shows of elsewhere is in no dump, and in another engine it is empty
    .filter(
      ({ table, expected, restored }) => expected !== null || restored?.rows !== 0 || engines[table] === undefined,
    )
    // objects without rows that are wanted are not even read
    .filter(({ table, restored: now }) => now?.rows !== 0 || (evidence.side.picks?.(table) ?? true))
    .filter(({ table }) => evidence.side.brings?.(table) !== true)
    // a second dump writes them, without rows too
    .filter(({ table, restored: now }) => !(now?.rows === 0 && unlogged.has(table)))
    .map((difference) => describeTable(difference, evidence));
  if (expected.brokenParts > 0) rows.push('the dump ends within a table or a statement');
  if (restored.brokenParts > 0) rows.push('what was restored could not be read to its end');
  const of = (...about: About[]) =>
    statements.filter((each) => about.includes(each.about)).map((each) => worded(each, evidence));
  const { picks } = evidence.side;
  const tables = picks ? [...expected.tables.keys()].filter(picks).length : comparison.tables;
  const equal = `equal: ${counted(tables, 'table')}, ${counted(comparison.rows, 'row')}`;
  const globals = describeGlobals(evidence.globals, evidence.restoredGlobals, evidence.side.rolesBefore);
  notCompared.push(...globals.notCompared);
  const checks = [
    outcome('content', [...rows, ...of('sequences', 'large objects')], equal),
    ...(derived.looked.size === 0
      ? []
      : [outcome('generated columns and materialized views', derived.differences, derived.equal)]),
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
  if (difference.about === 'sequences' && difference.missing.length === 0 && isAtItsStart(difference))
    return 'the dump does not say where it stands, as of an unlogged one on a standby';
  if (difference.about !== 'definitions') return undefined;
  const all = [...difference.missing, ...difference.extra];
  if (manifest && seriesOf(manifest.serverVersion, side) !== seriesOf(side.serverVersion, side))
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
  if (areColumnsReordered(difference))
    return 'its columns are the same, in another order: a load takes those of the tables that it inherits from first';
  if (isLaterTrigger(difference, side)) return 'a trigger that fires before it was left out';
  const asked = side.excused?.(difference.object);
  if (asked !== undefined) return asked;
  // somebody else's program, or another version of ours, puts the same things in other words
  if (!manifest) return 'the dump has no manifest: what wrote it, and in which words, is not known';
  return undefined;
}

/** Of triggers of one moment each is told by its number. */
function isLaterTrigger({ object, missing, extra }: StatementDifference, side: ProofSide): boolean {
  if (!object.startsWith('trigger ') || !side.leftOut?.().some(({ kind }) => kind === 'trigger')) return false;
  const [a, b] = [missing, extra].map((some) =>
    some.map(({ text }) => text.replace(/^-- number \d+ /m, '-- number ')).join('\n'),
  );
  return a === b;
}

/** Nobody has taken a number of it. */
const isAtItsStart = ({ extra }: StatementDifference) => extra.every(({ object }) => object.endsWith(', not called'));
