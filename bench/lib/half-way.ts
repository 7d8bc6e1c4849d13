import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate, Place } from './candidate.ts';
import { gateBefore } from './gate.ts';
import { CommandFailed } from './measure.ts';
import { bytesReadBy, memoryOf, treeOf } from './process-tree.ts';
import type { Sized, TestBed } from './test-bed.ts';

/** How a run ended whose sender was killed; undefined where it was over too soon for that. */
export type Ending = { readonly exitCode: number } | 'hangs' | undefined;

/** How long a tool may take to notice. */
const PATIENCE_MS = 60_000;
const GRACE_MS = 5_000;
const LOOK_MS = 2;
/** The kernel keeps no more of a program's name. */
const NAME_CHARACTERS = 15;

/**
 * Runs a candidate and kills with -9 what sends it the data. A dump is held when half of it has passed, so that the moment is
 * the same on any machine; what copies files is killed when it has read half of their bytes.
 */
export async function killHalfWay(
  place: Place,
  candidate: Candidate,
  { dumpBytes }: Pick<Sized, 'dumpBytes'>,
): Promise<Ending> {
  if (candidate.isPhysical) {
    const bytes = await clusterBytes(place.bed);
    return runAndKill(place, candidate, (pid, over) => hasRead(pid, candidate, bytes / 2, over));
  }
  const gate = await gateBefore(place.bed, dumpBytes / 2);
  try {
    const env = { ...place.bed.env, PGPORT: String(gate.port) };
    const gated = { ...place, bed: { ...place.bed, port: gate.port, env } };
    return await runAndKill(gated, candidate, () => gate.reached, gate.open);
  } finally {
    await gate.close();
  }
}

async function runAndKill(
  place: Place,
  candidate: Candidate,
  halfWay: (pid: number, over: AbortSignal) => Promise<void>,
  release: () => void = () => {},
): Promise<Ending> {
  const { bed } = place;
  const over = new AbortController();
  let pid = 0;
  const onStarted = (started: number) => {
    pid = started;
  };
  // libpq's own variable is the bed's; where a gate stands it names the gate
  const env = { PGPORT: String(bed.port), ...candidate.env?.(place) };
  const running = bed
    .run(candidate.script(place), env, { isWatched: false, onStarted })
    .then(() => ({ exitCode: 0 }), exitOf)
    .finally(() => over.abort());
  await Promise.race([running, halfWay(pid, over.signal)]);
  const victim = senders(pid, candidate).at(candidate.afterwards?.sender?.isLast ? -1 : 0);
  if (victim !== undefined) kill9(victim);
  release();
  const ending = await Promise.race([running, sleep(PATIENCE_MS, 'hangs' as const, { ref: false })]);
  if (ending === 'hangs') {
    kill9(-pid);
    // what has left its group, and keeps its output open, is not waited for
    await Promise.race([running, sleep(GRACE_MS, undefined, { ref: false })]);
  }
  return victim === undefined ? undefined : ending;
}

function kill9(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

/** Of a command's processes those that send, the one that started the others first. */
function senders(pid: number, { afterwards }: Candidate): number[] {
  const name = (afterwards?.sender?.name ?? 'pg_dump').slice(0, NAME_CHARACTERS);
  return treeOf(pid).filter((member) => memoryOf(member)?.name === name);
}

async function hasRead(pid: number, candidate: Candidate, bytes: number, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const read = senders(pid, candidate).reduce((sum, member) => sum + bytesReadBy(member), 0);
    if (read >= bytes) return;
    await sleep(LOOK_MS);
  }
}

/** Of all databases, with their indexes. */
export async function clusterBytes(bed: TestBed): Promise<number> {
  const [cluster] = await bed.query<{ bytes: string }>(
    'postgres',
    'select sum(pg_database_size(oid))::bigint as bytes from pg_database',
  );
  return Number(cluster?.bytes);
}

function exitOf(error: unknown): { exitCode: number } {
  if (error instanceof CommandFailed) return { exitCode: error.exitCode };
  throw error;
}
