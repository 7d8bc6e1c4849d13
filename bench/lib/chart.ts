import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { of, type Runs, ratio } from './rounds.ts';
import { PROJECT } from './test-bed.ts';

/** Bars beside each other: how long each candidate took, as a multiple of the first. */
export interface Chart {
  /** The file below docs/, without its ending. */
  readonly file: string;
  readonly title: string;
  readonly results: readonly Runs[];
}

const [WIDTH, NAME_WIDTH, BAR_HEIGHT, GAP, TOP, MARGIN] = [880, 330, 22, 8, 64, 20];
const NOTE_WIDTH = 130;

/** The chart as an SVG that reads in light and dark pages alike. */
export function svgOf({ title, results }: Chart): string {
  const [first] = results;
  if (!first) throw new Error(`${title}: nothing to draw`);
  const bars = results.map((runs) => ({
    name: runs.name,
    isOurs: runs.name.startsWith('ours'),
    factor: ratio(runs, first),
    wallS: of(runs, ({ wallS }) => wallS),
  }));
  const widest = Math.max(...bars.map(({ factor }) => factor));
  const room = WIDTH - NAME_WIDTH - NOTE_WIDTH - 2 * MARGIN;
  const height = TOP + bars.length * (BAR_HEIGHT + GAP) + MARGIN;
  const lines = bars.map(({ name, isOurs, factor, wallS }, index) => {
    const y = TOP + index * (BAR_HEIGHT + GAP);
    const width = Math.max(2, Math.round((factor / widest) * room));
    const x = MARGIN + NAME_WIDTH;
    return [
      `<text x="${x - 8}" y="${y + 16}" text-anchor="end" class="${isOurs ? 'ours' : 'name'}">${escaped(name)}</text>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="3" fill="${isOurs ? '#0969da' : '#8c959f'}"/>`,
      `<text x="${x + width + 8}" y="${y + 16}" class="note">${factor.toFixed(2)} × · ${wallS.toFixed(1)} s</text>`,
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
  <text x="${MARGIN}" y="48" class="note">wall time as a multiple of the first, medians; shorter is better</text>
  ${lines.join('\n  ')}
</svg>
`;
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
