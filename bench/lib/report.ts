import type { Chart } from './chart.ts';
import { of, type Runs, ratio } from './rounds.ts';
import { isMet, type Target } from './targets.ts';

export interface Section {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  readonly targets: readonly Target[];
  readonly chart?: Chart;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const align = head.map((_, column) => (column === 0 ? '---' : '---:'));
  const shown = [head, ...rows].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  return shown
    .toSpliced(1, 0, align)
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

export const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
export const times = (factor: number) => `${factor.toFixed(2)} ×`;

/** A figure, or a dash where there is none: too few sizes, or a difference that noise has turned round. */
export function figure(value: number, digits: number, unit = ''): string {
  return value > 0 ? `${value.toFixed(digits)}${unit}` : '–';
}

export function seconds(runs: Runs): string {
  const walls = runs.runs.map(({ wallS }) => wallS);
  const digits = of(runs, ({ wallS }) => wallS) < 1 ? 2 : 1;
  const [median, least, most] = [of(runs, ({ wallS }) => wallS), Math.min(...walls), Math.max(...walls)];
  return `**${median.toFixed(digits)}** (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/** Further columns of a table. */
export interface Columns {
  readonly head: readonly string[];
  cells(runs: Runs): string[];
}

const NONE: Columns = { head: [], cells: () => [] };

/** The candidates beside each other; `more` adds columns. */
export function comparison(results: readonly Runs[], more: Columns = NONE): string {
  const head = [
    'candidate',
    'wall s (min–max)',
    'to the first',
    'CPU s',
    'server CPU s',
    'peak MB, tree',
    'peak MB, node',
    'temporary MB',
  ];
  const [first] = results;
  const rows = results.map((runs) => [
    runs.name,
    seconds(runs),
    first ? times(ratio(runs, first)) : '',
    of(runs, ({ cpuS }) => cpuS).toFixed(1),
    of(runs, ({ serverCpuS }) => serverCpuS).toFixed(1),
    mb(of(runs, ({ treePeakBytes }) => treePeakBytes)),
    nodePeak(runs),
    temporaryMb(runs).toFixed(0),
    ...more.cells(runs),
  ]);
  return table([...head, ...more.head], rows);
}

/** The largest of all runs: a peak is what has to fit. */
export function nodePeakBytes(runs: Runs): number {
  return Math.max(...runs.runs.map((run) => run.nodePeakBytes));
}

/** The largest of all runs, for the same reason. */
export function temporaryMb(runs: Runs): number {
  return Math.max(...runs.runs.map((run) => run.temporaryBytes)) / 1e6;
}

function nodePeak(runs: Runs): string {
  const bytes = nodePeakBytes(runs);
  return bytes === 0 ? '–' : mb(bytes);
}

export function targetsTable(targets: readonly Target[]): string {
  const rows = targets.map((target) => {
    const { what, reached, atMost, atLeast, unit } = target;
    const bound = atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
    return [what, `${bound} ${unit}`, `${reached.toFixed(2)} ${unit}`, isMet(target) ? 'PASS' : 'MISSED'];
  });
  return table(['target', 'wanted', 'reached', ''], rows);
}
