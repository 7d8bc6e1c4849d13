import type { DumpDigest } from '../../scripts/lib/proof/digest.ts';
import { log } from '../../scripts/lib/terminal/log.ts';
import { type Candidate, inPlace, type Place, RESTORED } from './candidate.ts';
import { type Content, differenceOf, digestOf } from './contents.ts';
import { type Ending, killHalfWay } from './half-way.ts';
import type { Columns } from './report.ts';
import { withRestoredCluster } from './restored-cluster.ts';
import { lastLineOf, type Runs } from './rounds.ts';
import type { Sized, TestBed } from './test-bed.ts';

/** What came of a restore. */
export type Restored = { readonly failed: string } | { readonly difference: string | undefined };

/** What came of a run whose sender was killed. */
export interface Killed {
  readonly ending: Ending;
  /** Its tool keeps no list: it is a file that is there or not. */
  readonly isFile: boolean;
  /** What a restore of it came to; undefined where nothing is listed. */
  readonly left: Restored | undefined;
}

/** What every candidate is held against. */
interface Trial {
  readonly bed: TestBed;
  readonly sized: Sized;
  readonly expected: DumpDigest;
}

/** What the two columns mean, for a note below their table. */
export const AFTERWARDS_NOTE =
  "Restored and equal: a further backup, untimed, was restored once into a new database (of a cluster, onto a new server, with the WAL that an archive would have had), and every row and definition of it was held against the source's. After kill -9: in one more run pg_dump, or what copies the files, was killed half way; said are the exit code (of pipelines with `set -o pipefail`, without which it is that of the last program), whether the tool lists what is left as a backup, or a file of that name is there, and what a restore of it came to (by `psql -v ON_ERROR_STOP=1`; without that it ends well).";

/** Restores each candidate that was measured, and runs it once more to be killed. Nothing of it is timed. */
export async function tryAfterwards(
  bed: TestBed,
  sized: Sized,
  candidates: readonly Candidate[],
  results: readonly Runs[],
): Promise<Columns> {
  const trial: Trial = { bed, sized, expected: await digestOf(bed, { ...bed, database: sized.name }) };
  const cells = new Map<string, string[]>();
  for (const runs of results) {
    const candidate = candidates.find(({ name }) => name === runs.name);
    if (!candidate?.afterwards) continue;
    const restored = await tryRestore(trial, candidate);
    const killed = await tryKill(trial, candidate);
    log.info(`afterwards: ${runs.name}: ${restored}; ${killed}`);
    cells.set(runs.name, [restored, killed]);
  }
  return {
    head: ['restored and equal', 'after kill -9 of the dump'],
    cells: ({ name }) => cells.get(name) ?? ['–', '–'],
  };
}

async function tryRestore({ bed, sized, expected }: Trial, candidate: Candidate): Promise<string> {
  try {
    return await inPlace(bed, sized.name, candidate, async (place) => {
      await bed.run(candidate.script(place), candidate.env?.(place), { target: place.out, isWatched: false });
      // else that nothing is listed after a kill would say nothing
      if (!(await lists(place, candidate))) return 'not tried: it does not list its backup';
      return describeRestored(await restore(place, candidate, expected));
    });
  } catch (error) {
    return notTried(error);
  }
}

async function tryKill({ bed, sized, expected }: Trial, candidate: Candidate): Promise<string> {
  try {
    return await inPlace(bed, sized.name, candidate, async (place) => {
      const ending = await killHalfWay(place, candidate, sized);
      const isListed = ending !== undefined && (await lists(place, candidate));
      const left = isListed ? await restore(place, candidate, expected) : undefined;
      return describeKilled({ ending, isFile: candidate.afterwards?.isFile === true, left });
    });
  } catch (error) {
    return notTried(error);
  }
}

async function lists(place: Place, candidate: Candidate): Promise<boolean> {
  const script = candidate.afterwards?.listed(place) ?? 'false';
  return place.bed.run(script, candidate.env?.(place), { isWatched: false }).then(
    () => true,
    () => false,
  );
}

async function restore(place: Place, candidate: Candidate, expected: DumpDigest): Promise<Restored> {
  const { bed } = place;
  const compare = async (content: Content) => ({
    difference: differenceOf(expected, await digestOf(bed, content, expected)),
  });
  const script = candidate.afterwards?.restore(place) ?? 'false';
  try {
    await bed.run(script, candidate.env?.(place), { isWatched: false });
    if (candidate.isPhysical) return await withRestoredCluster(place, compare);
    return await compare({ ...bed, database: RESTORED });
  } catch (error) {
    return { failed: lastLineOf(error) };
  } finally {
    await bed.query('postgres', `drop database if exists ${RESTORED} with (force)`);
  }
}

/** The cell of a restore. */
export function describeRestored(restored: Restored): string {
  if ('failed' in restored) return `restore fails: ${restored.failed}`;
  return restored.difference === undefined ? 'equal' : `differs: ${restored.difference}`;
}

/** The cell of a run whose sender was killed: what says that all is well, and is not, stands out. */
export function describeKilled({ ending, isFile, left }: Killed): string {
  if (ending === undefined) return 'not tried: it was over before it was half done';
  const end = ending === 'hangs' ? 'does not end' : `exit ${ending.exitCode}`;
  if (!left) return `${end}, ${isFile ? 'no file' : 'not listed'}`;
  const listed = isFile ? 'the file is there' : 'listed as good';
  if ('difference' in left && left.difference === undefined) return `${end}, ${listed}, and it is whole`;
  const came = 'failed' in left ? 'its restore fails' : `**its restore ends well** and differs: ${left.difference}`;
  if (ending !== 'hangs' && ending.exitCode === 0) return `**${end}, ${listed}**, ${came}`;
  return isFile ? `${end}, ${listed}, ${came}` : `${end}, **${listed}**, ${came}`;
}

function notTried(error: unknown): string {
  return `not tried: ${lastLineOf(error)}`;
}
