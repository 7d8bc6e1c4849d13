import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeChart } from './chart.ts';
import { type Section, targetsTable } from './report.ts';
import { isMet, type Target } from './targets.ts';
import { PROJECT } from './test-bed.ts';

export const [START, END] = ['<!-- bench: start -->', '<!-- bench: end -->'];

/** What a run found, and the circumstances without which its figures say nothing. */
export interface Found {
  /** Markdown: the machine, its programs, the command. */
  readonly circumstances: string;
  readonly command: string;
  readonly rounds: number;
  readonly sections: readonly Section[];
}

/** All of it. */
export function documentOf({ circumstances, sections }: Found): string {
  const targets = sections.flatMap((section) => section.targets);
  return [
    circumstances,
    ...sections.map(({ title, body }) => `\n### ${title}\n\n${body}`),
    ...(targets.length > 0 ? [`\n### Targets\n\n${targetsTable(targets)}`] : []),
  ].join('\n');
}

const OURS_INCLUDE =
  'Ours include exact row counts of every table, a SHA-256 and the proof that the dump is whole; our restores ANALYZE and the check of all that.';

/** The charts, the tables in brief, and what was to be reached. */
export function briefOf({ circumstances, command, rounds, sections }: Found): string {
  const facts = (name: string) => new RegExp(`^- ${name}: (.*)$`, 'm').exec(circumstances)?.[1] ?? 'unknown';
  const targets = sections.flatMap((section) => section.targets);
  const charts = sections.flatMap(({ chart }) => (chart ? [`![${chart.title}](docs/${chart.file}.svg)`] : []));
  return [
    `${facts('date')}, ${facts('machine')}; databases: ${facts('databases')}. Medians of ${rounds} rounds, the candidates in turn; uploads go to a Garage on the same cores. To make it again: \`${command}\`.`,
    OURS_INCLUDE,
    ...charts,
    ...sections.flatMap(({ title, brief }) => (brief ? [`**${title}**`, brief] : [])),
    ...reachedOf(targets),
  ].join('\n\n');
}

/** How many targets were reached, and those that were not. */
function reachedOf(targets: readonly Target[]): string[] {
  if (targets.length === 0) return [];
  const missed = targets.filter((target) => !isMet(target));
  const count = `Of ${targets.length} targets ${targets.length - missed.length} were reached`;
  return missed.length === 0 ? [`${count}.`] : [`${count}; these were missed:`, targetsTable(missed)];
}

/** Puts text between the two marks; what people wrote around them stays. */
export function between(text: string, replacement: string): string {
  const [before, rest, ...more] = text.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`the document has lost its marks ${START} and ${END}`);
  return `${before}${START}\n\n${replacement.trim()}\n\n${END}${after}`;
}

/** Writes docs/performance.md, the charts beside it, and the README's part. */
export function writeDocuments(found: Found): void {
  for (const { chart } of found.sections) if (chart) writeChart(chart);
  for (const [name, text] of [
    ['docs/performance.md', documentOf(found)],
    ['README.md', briefOf(found)],
  ] as const) {
    const path = join(PROJECT, name);
    writeFileSync(path, between(readFileSync(path, 'utf8'), text));
  }
}
