import type { CaseResult } from './case.ts';
import { VERBS } from './world.ts';

/** Fault × verb, as `survived/tried`, with a failure marked; and the sums. */
export function tableOf(results: readonly CaseResult[], elapsedMs: number): string {
  const faults = [...new Set(results.map(({ case: each }) => each.fault.name))].sort();
  const cell = (some: readonly CaseResult[]) => {
    if (some.length === 0) return '–';
    const survived = some.filter(({ problems }) => problems.length === 0).length;
    return `${survived}/${some.length}${survived < some.length ? ' !' : ''}`;
  };
  const rows = [
    ['fault', ...VERBS, 'all'],
    ...faults.map((fault) => {
      const ofFault = results.filter(({ case: each }) => each.fault.name === fault);
      return [
        fault,
        ...VERBS.map((verb) => cell(ofFault.filter(({ case: each }) => each.verb === verb))),
        cell(ofFault),
      ];
    }),
    ['all', ...VERBS.map((verb) => cell(results.filter(({ case: each }) => each.verb === verb))), cell(results)],
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const failed = results.filter(({ problems }) => problems.length > 0);
  const count = (pattern: RegExp) =>
    failed.filter(({ problems }) => problems.some((problem) => pattern.test(problem))).length;
  const done = results.filter(({ exitCode }) => exitCode === 0).length;
  return [
    ...lines,
    '',
    `${results.length} faults tried in ${Math.round(elapsedMs / 1_000)} s (survived/tried above): ${done} runs came through, ${results.length - done} failed and said so.`,
    `False successes: ${count(/FALSE SUCCESS/)}. Losses: ${count(/LOSS/)}. Left over after the next run: ${count(/left over/)}. Other failures: ${failed.filter(({ problems }) => !problems.some((problem) => /FALSE SUCCESS|LOSS|left over/.test(problem))).length}.`,
  ].join('\n');
}
