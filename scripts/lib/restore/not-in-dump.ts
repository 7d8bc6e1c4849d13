import type { ProofSide } from '../engines/restoring.ts';
import type { DumpDigest } from '../proof/digest.ts';
import { counted } from '../quantities.ts';
import type { DerivedSum, Manifest } from '../repository/manifest.ts';

/** What was not compared, or may differ, and why. */
export interface Excused {
  readonly what: string;
  readonly why: string;
}

/** What no dump holds, as it was summed at the backup, and as it is in what was restored. */
export interface DerivedPair {
  readonly expected: DerivedSum;
  readonly restored: DerivedSum | undefined;
}

/** What is known of that when the readings are done. */
interface Summed {
  readonly derived: readonly DerivedPair[];
  readonly manifest: Manifest | undefined;
  readonly side: ProofSide;
}

/** The name of the table or view that a statement makes, as the statement spells it. */
const MADE = /^CREATE (?:[A-Z]+ )*(?:TABLE|VIEW) ((?:"(?:[^"]|"")*"|[^\s".(])+(?:\.(?:"(?:[^"]|"")*"|[^\s".(])+)?)/;

/** The part of a version within which servers word things alike. */
export function seriesOf(version: string, { dialect }: ProofSide): string {
  return version
    .split('.')
    .slice(0, dialect === 'mariadb' ? 2 : 1)
    .join('.');
}

/** What no dump holds: generated columns have to be what they were; a materialized view was filled again, and may differ. */
export function judgeDerived({ derived, manifest, side }: Summed): {
  differences: string[];
  notCompared: Excused[];
  looked: ReadonlySet<string>;
  equal: string;
} {
  const isSameSeries =
    manifest === undefined || seriesOf(manifest.serverVersion, side) === seriesOf(side.serverVersion, side);
  const differences: string[] = [];
  const notCompared: Excused[] = [];
  const counts = { 'generated columns': 0, 'materialized view': 0 };
  for (const { expected, restored } of derived) {
    if (restored?.sum === expected.sum && restored.rows === expected.rows) counts[expected.kind] += 1;
    else if (!isSameSeries)
      notCompared.push({
        what: `${expected.kind === 'generated columns' ? 'TABLE' : 'MATERIALIZED VIEW'} ${expected.table}`,
        why: `what ${side.serverVersion} makes of ${expected.columns.join(', ')} is not, or is not worded as, what ${manifest?.serverVersion} made of it: look at it before you rely on it; its definition is compared`,
      });
    else if (expected.kind === 'generated columns')
      differences.push(
        `generated columns of table ${expected.table} are not what they were when it was dumped: ${expected.columns.join(', ')}`,
      );
    else
      notCompared.push({
        what: `MATERIALIZED VIEW ${expected.table}`,
        why: `its rows, computed again, are not those that it had (${restored?.rows ?? 0}, before ${expected.rows}): it was stale when it was dumped, or is made of what changes, as the time does; its definition is compared`,
      });
  }
  const equal = [
    counts['generated columns'] > 0 ? `generated columns of ${counted(counts['generated columns'], 'table')}` : '',
    counts['materialized view'] > 0 ? counted(counts['materialized view'], 'materialized view') : '',
  ].filter(Boolean);
  const looked = new Set(derived.map(({ expected }) => expected.table));
  return {
    differences,
    notCompared,
    looked,
    equal: equal.length > 0 ? `equal: ${equal.join(', ')}` : 'see not compared',
  };
}

/** Whose rows nobody can read on a standby. */
export function unloggedWithoutRows({ statements, tables }: DumpDigest): Set<string> {
  return new Set(
    statements
      .filter(({ text }) => text.startsWith('CREATE UNLOGGED TABLE '))
      .map(({ text }) => MADE.exec(text)?.[1] ?? '')
      .filter((name) => !tables.has(name)),
  );
}

/** Tables whose rows are in no dump. @param looked those that were summed by themselves */
export function notInDump(
  { expected, side }: { expected: DumpDigest; side: ProofSide },
  looked: ReadonlySet<string>,
): Excused[] {
  const excused: Excused[] = [];
  // mariadb-dump writes the values of generated columns too
  if (side.dialect === 'mariadb') return excused;
  for (const { text, object } of expected.statements) {
    const made = MADE.exec(text)?.[1] ?? '';
    if (/^CREATE .*TABLE /.test(text) && / GENERATED ALWAYS AS \([\s\S]*\) STORED\b/.test(text) && !looked.has(made))
      excused.push({
        what: object,
        why: 'its generated columns are in no dump, and were not summed at the backup; their expressions are compared',
      });
    if (text.startsWith('CREATE MATERIALIZED VIEW ') && !looked.has(made))
      excused.push({
        what: object,
        why: 'its rows are in no dump, and are computed again; its definition is compared',
      });
    if (text.startsWith('CREATE FOREIGN TABLE ')) excused.push({ what: object, why: 'its rows are on another server' });
    if (text.startsWith('CREATE UNLOGGED TABLE ') && !expected.tables.has(made))
      excused.push({ what: object, why: 'an unlogged table without rows in the dump, as of a standby' });
  }
  return excused;
}
