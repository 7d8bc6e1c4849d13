/**
 * Makes retention.json again, by asking restic itself: `node --import tsx test/golden/make-retention-golden.ts RESTIC`.
 * One repository, one host per history, one `forget --dry-run` per policy. Takes some minutes: a backup is half a
 * second of key derivation. See README.md.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { HISTORIES, POLICIES, type PolicyCounts } from './retention-cases.ts';

const run = promisify(execFile);
const OUTPUT = path.join(import.meta.dirname, 'retention.json');

interface Snapshot {
  readonly time: string;
}

/** What restic prints for one host. */
interface ForgetGroup {
  readonly host: string;
  readonly keep: readonly Snapshot[] | null;
  readonly remove: readonly Snapshot[] | null;
  readonly reasons: readonly { readonly snapshot: Snapshot; readonly matches: readonly string[] }[] | null;
}

const restic = process.argv[2];
if (restic === undefined) {
  process.stderr.write('usage: make-retention-golden.ts RESTIC\n');
  process.exit(2);
}
const folder = await mkdtemp(path.join(tmpdir(), 'retention-golden-'));
try {
  await writeFile(path.join(folder, 'tiny'), 'tiny\n');
  const version = (await ask(['version'])).trim();
  await ask(['init', '--quiet']);
  await makeSnapshots();
  const cases: string[] = [];
  for (const policy of POLICIES) {
    const groups = await forget(policy);
    for (const { name, times } of HISTORIES) {
      const group = groups.find((each) => each.host === name);
      if (!group) throw new Error(`restic says nothing of ${name}`);
      cases.push(JSON.stringify({ history: name, policy, ...placesOf(times, group) }));
    }
  }
  await writeFile(OUTPUT, documentOf(version, cases));
  process.stderr.write(`${cases.length} cases of ${version} in ${OUTPUT}\n`);
} finally {
  await rm(folder, { recursive: true });
}

async function ask(args: readonly string[]): Promise<string> {
  // restic puts a snapshot's time into buckets in the zone in which it was made
  const env = {
    PATH: process.env.PATH,
    TZ: 'UTC',
    RESTIC_REPOSITORY: path.join(folder, 'repository'),
    RESTIC_PASSWORD: 'golden',
  };
  const all = ['--no-cache', ...args];
  const { stdout } = await run(restic as string, all, { cwd: folder, env, maxBuffer: 1 << 30 });
  return stdout;
}

async function makeSnapshots(): Promise<void> {
  const todo = HISTORIES.flatMap(({ name, times }) => times.map((time) => ({ name, time })));
  const total = todo.length;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let next = todo.pop(); next; next = todo.pop()) {
      const time = next.time.slice(0, 19).replace('T', ' ');
      await ask(['backup', '--quiet', '--force', '--no-scan', '--host', next.name, '--time', time, 'tiny']);
      done += 1;
      if (done % 100 === 0) process.stderr.write(`${done} of ${total} snapshots\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
}

async function forget(policy: PolicyCounts): Promise<readonly ForgetGroup[]> {
  const counts = Object.entries(policy).flatMap(([rule, count]) => [
    `--keep-${rule}`,
    count === -1 ? 'unlimited' : String(count),
  ]);
  const json = await ask(['forget', '--dry-run', '--no-lock', '--json', '--group-by', 'host', ...counts]);
  return JSON.parse(json) as ForgetGroup[];
}

/**
 * restic's answer as places in `times` (newest first). Of snapshots made in the same second restic looks at one after
 * the other and cannot tell which is which: a rule takes the first that it meets, "oldest …" is the very last one.
 */
function placesOf(times: readonly string[], group: ForgetGroup): { keep: Record<string, number[]>; remove: number[] } {
  const taken = new Set<number>();
  const take = (time: string, from: 'first' | 'last'): number => {
    const at = new Date(time).getTime();
    const isFree = (each: string, place: number): boolean => new Date(each).getTime() === at && !taken.has(place);
    const place = from === 'first' ? times.findIndex(isFree) : times.findLastIndex(isFree);
    if (place === -1) throw new Error(`restic lists ${time} of ${group.host} once more than it was made`);
    taken.add(place);
    return place;
  };
  const keep: Record<string, number[]> = {};
  for (const { snapshot, matches } of group.reasons ?? []) {
    const place = take(snapshot.time, matches.some((match) => match.startsWith('oldest')) ? 'last' : 'first');
    for (const match of matches) {
      keep[match] ??= [];
      keep[match].push(place);
    }
  }
  if ((group.keep ?? []).length !== taken.size) throw new Error(`restic keeps some of ${group.host} without a reason`);
  const remove = (group.remove ?? []).map(({ time }) => take(time, 'first'));
  if (taken.size !== times.length) throw new Error(`restic leaves out some of ${group.host}`);
  return { keep, remove: remove.sort((a, b) => a - b) };
}

/** A line per history and per case, so that a change can be read in a diff. */
function documentOf(version: string, cases: readonly string[]): string {
  const histories = HISTORIES.map(({ name, times }) => `${JSON.stringify(name)}:${JSON.stringify(times)}`);
  return `{"restic":${JSON.stringify(version)},\n"histories":{\n${histories.join(',\n')}\n},\n"cases":[\n${cases.join(',\n')}\n]}\n`;
}
