import type { FoundRow } from './reading.ts';

/** A row that one side has otherwise than the other, or not at all. */
export interface RowDifference {
  /** `id=17`, or where in its table the row was when there is no key; undefined where it must not be shown. */
  readonly row: string;
  /** By name; empty when the row is on one side alone. */
  readonly columns: readonly string[];
  readonly side: 'changed' | 'missing' | 'extra';
}

/** The table's key: its columns, and where they are in a row. */
export interface RowKey {
  readonly columns: readonly string[];
  readonly places: readonly number[];
}

/** The rows that one side has more often than the other. */
export function surplus(rows: readonly FoundRow[], others: readonly FoundRow[]): FoundRow[] {
  const count = new Map<string, number>();
  for (const { hash } of others) count.set(hash, (count.get(hash) ?? 0) + 1);
  return rows.filter(({ hash }) => {
    const left = count.get(hash) ?? 0;
    count.set(hash, left - 1);
    return left <= 0;
  });
}

/** The primary key as its definition has it; undefined when the table has none, or some of it is in no dump. */
export function keyFrom(columns: readonly string[], keyColumns: readonly string[]): RowKey | undefined {
  const places = keyColumns.map((column) => columns.indexOf(column));
  return keyColumns.length === 0 || places.includes(-1) ? undefined : { columns: keyColumns, places };
}

/** What to look for on the other side: the row of the same key. */
export function keyValues(row: FoundRow, key: RowKey): { at: number; value: string }[] | undefined {
  return row.fields && key.places.map((at) => ({ at, value: row.fields?.[at] ?? '' }));
}

/** Numbers and identifiers that mean nothing by themselves. */
const MEANINGLESS = /^'?(-?\d{1,20}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})'?$/i;

/**
 * What differs between a row and the one of the same key on the other side.
 * @param mayShow whether a key that is no mere number may be told
 */
export function describeRow(
  { expected, restored }: { expected: FoundRow | undefined; restored: FoundRow | undefined },
  columns: readonly string[],
  key: RowKey | undefined,
  mayShow: boolean,
): RowDifference {
  const row = expected ?? restored;
  const side = !restored ? 'missing' : expected ? 'changed' : 'extra';
  const differing =
    expected?.fields && restored?.fields
      ? columns.filter((_, at) => expected.fields?.[at] !== restored.fields?.[at])
      : [];
  const values = row?.fields && key?.places.map((at) => row.fields?.[at] ?? '');
  const canShow = values?.every((value) => mayShow || MEANINGLESS.test(value));
  if (key && values && canShow)
    return { row: key.columns.map((column, at) => `${column}=${values[at]}`).join(', '), columns: differing, side };
  const hidden = key && values ? ` (its key, ${key.columns.join(', ')}, is not shown: the backup is encrypted)` : '';
  return {
    row: `row ${row?.position} of ${expected ? 'the dump' : 'the restored table'}${hidden}`,
    columns: differing,
    side,
  };
}
