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
  readonly sections: readonly Section[];
}

/** All of it: what was missed first, then every table with its chart. */
export function documentOf({ circumstances, sections }: Found): string {
  const targets = sections.flatMap((section) => section.targets);
  return [
    circumstances,
    `\n${OURS_INCLUDE}`,
    ...(targets.length > 0 ? ['\n### What was missed', ...reachedOf(targets).map((text) => `\n${text}`)] : []),
    ...sections.map(({ title, body, chart }) => {
      const picture = chart ? `![${chart.title}](${chart.file}.svg)\n\n` : '';
      return `\n### ${title}\n\n${picture}${body}`;
    }),
    ...(targets.length > 0 ? [`\n### Targets\n\n${targetsTable(targets)}`] : []),
  ].join('\n');
}

const OURS_INCLUDE =
  'Ours include exact row counts of every table, a SHA-256 and the proof that the dump is whole; our restores ANALYZE and the check of all that.';

/** How many targets were reached, and those that were not. */
function reachedOf(targets: readonly Target[]): string[] {
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

/** Writes docs/performance.md, and the charts beside it. */
export function writeDocuments(found: Found): void {
  for (const { chart } of found.sections) if (chart) writeChart(chart);
  const path = join(PROJECT, 'docs/performance.md');
  writeFileSync(path, between(readFileSync(path, 'utf8'), documentOf(found)));
}
