import { formatBytes } from '../quantities.ts';
import { print } from '../terminal/log.ts';
import { tableOf } from '../terminal/table.ts';
import type { Change } from './changes.ts';
import type { DiffResult, DiffSide } from './diff.ts';

/** Prints what changed, for an operator. */
export function printDiff({ from, to, changes, unchanged, notCompared }: DiffResult): void {
  print(`from  ${describe(from)}`);
  print(`to    ${describe(to)}`);
  print('');
  if (changes.length > 0)
    for (const line of tableOf([['', 'rows before', 'now', 'size before', 'now', 'what'], ...changes.map(row)], {
      leastFirst: 44,
    }))
      print(line);
  print(`${changes.length} changed, ${unchanged} the same`);
  for (const sentence of notCompared) print(`not compared: ${sentence}`);
}

function describe({ key, database, at }: DiffSide): string {
  return key === null ? `${database}, as it is now (${at})` : `${key}  (${database}, ${at})`;
}

function row({ kind, name, change, rows, bytes, definition }: Change): string[] {
  const what = change === 'changed' ? definition.join(', ') : change;
  const size = (value: number | null) => (value === null ? '–' : formatBytes(value));
  const count = (value: number | null) => (value === null ? '–' : String(value));
  return [
    kind === 'table' ? name : `${kind} ${name}`,
    count(rows.from),
    count(rows.to),
    size(bytes.from),
    size(bytes.to),
    what,
  ];
}
