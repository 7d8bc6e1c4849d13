import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { of, type Runs, ratio } from './rounds.ts';
import { PROJECT } from './test-bed.ts';

/** Bars beside each other: how long each candidate took, as a multiple of the first. */
export interface Chart {
  /** The file below docs/, without its ending. */
  readonly file: string;
  readonly title: string;
  /** On what, for the line below the title. */
  readonly note: string;
  readonly results: readonly Runs[];
}

const [WIDTH, BAR_HEIGHT, GAP, TOP, MARGIN] = [880, 22, 8, 64, 20];
/** Of a bold character, on average. */
const CHARACTER_WIDTH = 8;
const NOTE_WIDTH = 130;

/** The chart as an SVG that reads in light and dark pages alike. */
export function svgOf({ title, note, results }: Chart): string {
  const [first] = results;
  if (!first) throw new Error(`${title}: nothing to draw`);
  const bars = results.map((runs) => ({
    name: runs.name,
    isOurs: runs.name.startsWith('ours'),
    factor: ratio(runs, first),
    range: rangeOf(runs, first),
    wallS: of(runs, ({ wallS }) => wallS),
  }));
  const widest = Math.max(...bars.flatMap(({ range }) => range));
  const nameWidth = Math.max(...bars.map(({ name }) => name.length)) * CHARACTER_WIDTH;
  const room = WIDTH - nameWidth - NOTE_WIDTH - 2 * MARGIN;
  const height = TOP + bars.length * (BAR_HEIGHT + GAP) + MARGIN;
  const lines = bars.map(({ name, isOurs, factor, range, wallS }, index) => {
    const y = TOP + index * (BAR_HEIGHT + GAP);
    const at = (times: number) => Math.max(2, Math.round((times / widest) * room));
    const [width, from, to] = [at(factor), at(range[0]), at(range[1])];
    const x = MARGIN + nameWidth;
    return [
      `<text x="${x - 8}" y="${y + 16}" text-anchor="end" class="${isOurs ? 'ours' : 'name'}">${escaped(name)}</text>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="3" fill="${isOurs ? '#0969da' : '#8c959f'}"/>`,
      `<line x1="${x + from}" x2="${x + to}" y1="${y + BAR_HEIGHT / 2}" y2="${y + BAR_HEIGHT / 2}" stroke="#1f2328"/>`,
      `<text x="${x + to + 8}" y="${y + 16}" class="note">${factor.toFixed(2)} × · ${wallS.toFixed(1)} s</text>`,
    ].join('\n  ');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="14" role="img" aria-labelledby="t">
  <title id="t">${escaped(title)}</title>
  <style>
    .name { fill: #1f2328 }
    .ours { fill: #0969da; font-weight: 600 }
    .note { fill: #57606a; font-size: 12px }
  </style>
  <rect width="${WIDTH}" height="${height}" rx="8" fill="#fff"/>
  <text x="${MARGIN}" y="28" font-size="16" font-weight="600" class="name">${escaped(title)}</text>
  <text x="${MARGIN}" y="48" class="note">${escaped(note)}; wall time as a multiple of the first: median, and a line from the least to the most; shorter is better</text>
  ${lines.join('\n  ')}
</svg>
`;
}

/** The least and the most of the ratios within each round. */
function rangeOf(runs: Runs, to: Runs): [number, number] {
  const each = runs.runs.map(({ wallS }, round) => wallS / (to.runs[round]?.wallS ?? wallS));
  return [Math.min(...each), Math.max(...each)];
}

/** Writes docs/<file>.svg. */
export function writeChart(chart: Chart): void {
  const path = join(PROJECT, 'docs', `${chart.file}.svg`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svgOf(chart));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
