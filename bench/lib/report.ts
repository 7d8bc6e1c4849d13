import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chart } from './chart.ts';
import { of, type Runs, ratio } from './rounds.ts';
import { PROJECT } from './test-bed.ts';

/** One thing that was to be reached. */
export interface Target {
  readonly what: string;
  readonly reached: number;
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly unit: string;
}

export interface Section {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  readonly targets: readonly Target[];
  readonly chart?: Chart;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const align = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
export const times = (factor: number) => `${factor.toFixed(2)} ×`;

export function seconds(runs: Runs): string {
  const walls = runs.runs.map(({ wallS }) => wallS);
  const digits = of(runs, ({ wallS }) => wallS) < 1 ? 2 : 1;
  const [median, least, most] = [of(runs, ({ wallS }) => wallS), Math.min(...walls), Math.max(...walls)];
  return `**${median.toFixed(digits)}** (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

const HEAD = [
  'candidate',
  'wall s (min–max)',
  'to the first',
  'CPU s',
  'server CPU s',
  'peak MB, tree',
  'peak MB, node',
];

/** The candidates beside each other; `more` adds columns. */
export function comparison(
  results: readonly Runs[],
  more: { head: string[]; cells(runs: Runs): string[] } = { head: [], cells: () => [] },
): string {
  const [first] = results;
  const rows = results.map((runs) => [
    runs.name,
    seconds(runs),
    first ? times(ratio(runs, first)) : '',
    of(runs, ({ cpuS }) => cpuS).toFixed(1),
    of(runs, ({ serverCpuS }) => serverCpuS).toFixed(1),
    mb(of(runs, ({ treePeakBytes }) => treePeakBytes)),
    nodePeak(runs),
    ...more.cells(runs),
  ]);
  return table([...HEAD, ...more.head], rows);
}

/** The largest of all runs: a peak is what has to fit. */
export function nodePeakBytes(runs: Runs): number {
  return Math.max(...runs.runs.map((run) => run.nodePeakBytes));
}

function nodePeak(runs: Runs): string {
  const bytes = nodePeakBytes(runs);
  return bytes === 0 ? '–' : mb(bytes);
}

export function targetsTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, reached, atMost, atLeast, unit }) => {
    const isMet = reached <= (atMost ?? Number.POSITIVE_INFINITY) && reached >= (atLeast ?? Number.NEGATIVE_INFINITY);
    const bound = atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
    return [what, `${bound} ${unit}`, `${reached.toFixed(2)} ${unit}`, isMet ? 'PASS' : 'MISSED'];
  });
  return table(['target', 'wanted', 'reached', ''], rows);
}

const DOCUMENT = join(PROJECT, 'docs/performance.md');
const [START, END] = ['<!-- bench: start -->', '<!-- bench: end -->'];

/** Puts the tables between the two marks of docs/performance.md; what people wrote around them stays. */
export function writeDocument(markdown: string): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [before, rest] = text.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error(`${DOCUMENT} has lost its marks ${START} and ${END}`);
  writeFileSync(DOCUMENT, `${before}${START}\n\n${markdown.trim()}\n\n${END}${after}`);
}
