import { messageOf } from '../../scripts/lib/errors.ts';
import { log } from '../../scripts/lib/terminal/log.ts';
import type { Measurement } from './measure.ts';

export interface Runs {
  readonly name: string;
  readonly runs: readonly Measurement[];
}

/**
 * Runs the candidates in turns (A B C A B C …), so that what else happens on the machine falls on all of them. The
 * first one has a turn before that, which does not count: it brings the database into memory. A candidate that fails is
 * told of and left out of the other turns; without the first one there is nothing to compare with.
 */
export async function inTurns<C extends { readonly name: string }>(
  candidates: readonly C[],
  rounds: number,
  run: (candidate: C) => Promise<Measurement>,
  onFailed: (name: string, reason: string) => void = () => {},
): Promise<Runs[]> {
  const able = new Map(candidates.map((candidate) => [candidate, [] as Measurement[]]));
  for (const candidate of candidates.slice(0, 1)) {
    const { wallS } = await run(candidate);
    log.info(`warm-up: ${candidate.name}: ${wallS.toFixed(2)} s`);
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const [candidate, runs] of [...able]) {
      const { name } = candidate;
      try {
        const measured = await run(candidate);
        log.info(`round ${round}: ${name}: ${measured.wallS.toFixed(2)} s`);
        runs.push(measured);
      } catch (error) {
        if (candidate === candidates[0]) throw error;
        log.error(`${name} failed and is left out: ${messageOf(error)}`);
        able.delete(candidate);
        onFailed(name, lastLineOf(error));
      }
    }
  }
  return [...able].map(([{ name }, runs]) => ({ name, runs }));
}

/** Of what a command wrote, without the line that the shell added. */
export function lastLineOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (
    text
      .replace(/\s*BENCH-TIMES.*/s, '')
      .trim()
      .split('\n')
      .at(-1) ?? ''
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export function of(runs: Runs, figure: (run: Measurement) => number): number {
  return median(runs.runs.map(figure));
}

/** How many times as long as the other: the median over the rounds of what the two took in the same round. */
export function ratio(runs: Runs, to: Runs, figure: (run: Measurement) => number = ({ wallS }) => wallS): number {
  return median(runs.runs.map((run, round) => figure(run) / figure(to.runs[round] ?? run)));
}
