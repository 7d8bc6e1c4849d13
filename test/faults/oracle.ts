import { createHash } from 'node:crypto';
import type { Backup } from '../../scripts/lib/repository/catalog.ts';
import { manifestKey } from '../../scripts/lib/repository/object-key.ts';
import { listingOf } from './bed.ts';
import type { State } from './databases.ts';
import { plainDump } from './proof.ts';
import type { Objects } from './stores.ts';
import type { Ended } from './verbs.ts';
import { KEPT, type World } from './world.ts';

/** What cannot be asked of a run to which this has happened. */
export interface Allowance {
  /** It was ended by force, so that its exit code says nothing. */
  readonly killed?: boolean;
  /** This signal may have ended it as it ends any program. */
  readonly mayDieOf?: NodeJS.Signals | null;
  /** A swap that is not one statement may have been broken off; the next command completes it. */
  readonly mayBeBetween?: boolean;
  /** The listing named a backup that is not there, and was believed. */
  readonly phantom?: boolean;
  /** Another run was at work on the same source: what there is may be its doing, and one of the two may have had to go. */
  readonly hasTwin?: boolean;
  /** The run before it may have put the restored database in place already. */
  readonly isSecond?: boolean;
}

/** Where the run's exit code is not the truth, or something is not whole; nothing when all is well. */
export async function judge(world: World, ended: Ended, allowed: Allowance): Promise<string[]> {
  const isDead = ended.signal !== null && ended.signal === allowed.mayDieOf;
  const allow = { ...allowed, killed: allowed.killed === true || isDead };
  const problems: string[] = [];
  if (ended.hung) problems.push('it hung');
  if (/internal error, please report it/.test(ended.stderr)) problems.push('it calls itself defective');
  if (!allow.killed && ended.code === null) problems.push(`it was ended by ${ended.signal}`);
  if (ended.code !== 0 && !allow.killed && ended.stderr.trim() === '') problems.push('it failed without a word');
  const keys = await world.place.keys();
  const objects = new Map<string, Buffer>();
  for (const key of keys) objects.set(key, await world.place.read(key));
  const listed = listingOf(objects);
  problems.push(...(await judgeWholeness(world, listed, objects, allow)));
  switch (world.verb) {
    case 'backup':
      problems.push(...judgeBackup(world, listed, ended, allow));
      break;
    case 'restore':
    case 'undo':
      problems.push(...(await judgeSwap(world, listed, ended, allow)));
      break;
    case 'cleanup':
      problems.push(...judgeCleanup(world, listed, ended, allow));
      break;
    case 'drill':
      if (ended.code === 0 && documentOf(ended)?.ok !== true) problems.push('exit 0, but the drill did not pass');
      break;
    case 'list':
      problems.push(...judgeList(world, ended));
      break;
  }
  return problems;
}

// biome-ignore lint/suspicious/noExplicitAny: documents of every shape
function documentOf(ended: Ended): any {
  try {
    return JSON.parse(ended.stdout);
  } catch {
    return undefined;
  }
}

/** Whether it was there before; of a folder, what lies in it. */
function isSeeded({ seeded }: World, { key, parts }: Backup): boolean {
  return seeded.has(key) || parts.some((part) => seeded.has(part.key));
}

/** Everything that is listed restores to what was dumped; what was there before is untouched. */
async function judgeWholeness(
  world: World,
  listed: readonly Backup[],
  objects: Map<string, Buffer>,
  { isSecond, hasTwin }: Allowance,
): Promise<string[]> {
  const problems: string[] = [];
  for (const [key, bytes] of objects) {
    const before = world.seeded.get(key);
    if (before && !before.equals(bytes)) problems.push(`${key} was changed`);
  }
  for (const backup of listed) {
    if (isSeeded(world, backup)) continue;
    if (backup.hasManifest) problems.push(...judgeManifest(backup, objects));
    const expected: State[] = hasTwin
      ? ['old', 'new', 'big']
      : world.verb === 'backup'
        ? [world.state]
        : isSecond
          ? ['new', 'old']
          : ['new'];
    const digest = await restored(world, backup, objects);
    if (!expected.some((state) => digest === world.bed.digestOf(world.engine, state)))
      problems.push(`${backup.key} is listed and is not what was dumped: ${digest.slice(0, 300)}`);
    if (world.verb !== 'backup' && !hasTwin && backup.kind !== 'pre-restore')
      problems.push(`${backup.key}, which a restore put aside, is listed as an ordinary backup`);
  }
  return problems;
}

function judgeManifest(backup: Backup, objects: Map<string, Buffer>): string[] {
  const manifest = JSON.parse(objects.get(manifestKey(backup.stem))?.toString() ?? '{}');
  const folder = backup.stem.slice(0, backup.stem.lastIndexOf('/') + 1);
  return (manifest.objects as { name: string; sizeBytes: number; sha256: string }[]).flatMap(
    ({ name, sizeBytes, sha256 }) => {
      const bytes = objects.get(`${folder}${name}`);
      if (!bytes) return [`${name} is in a manifest and not in the storage`];
      const isSame = bytes.length === sizeBytes && createHash('sha256').update(bytes).digest('hex') === sha256;
      return isSame ? [] : [`${name} is not what its manifest says`];
    },
  );
}

/** What a backup restores to: a digest, or why it does not. */
async function restored(world: World, backup: Backup, objects: Objects): Promise<string> {
  try {
    return await world.bed.restoresTo(world.engine, await plainDump(backup, objects, world.bed.identity?.secret));
  } catch (error) {
    return `cannot be read: ${error}`;
  }
}

function judgeBackup(world: World, listed: readonly Backup[], ended: Ended, allow: Allowance): string[] {
  const fresh = listed.filter((backup) => !isSeeded(world, backup));
  if (ended.code === 0) {
    const prefix = world.place.env().S3_PREFIX;
    const keys: string[] = (documentOf(ended)?.results ?? []).map(({ key }: { key: string }) => key);
    const bare = keys.map((key) => (prefix ? key.slice(prefix.length + 1) : key));
    const isThere = bare.every((key) => fresh.some((backup) => backup.key === key && backup.hasManifest));
    return isThere && bare.length > 0 ? [] : ['FALSE SUCCESS: exit 0, and the backup is not there'];
  }
  if (allow.killed || allow.hasTwin) return [];
  return fresh.flatMap((backup) => {
    const isTold = ended.stderr.includes(backup.stem);
    if (!isTold) return [`exit ${ended.code}, and ${backup.key} stayed without a word`];
    const isUnknown = /whether the object was stored after all is not known/.test(ended.stderr);
    return backup.hasManifest && !isUnknown ? [`exit ${ended.code}, but ${backup.key} is there, whole`] : [];
  });
}

async function judgeSwap(world: World, listed: readonly Backup[], ended: Ended, allow: Allowance): Promise<string[]> {
  const { engine, bed, name, verb } = world;
  const before = bed.digestOf(engine, 'new');
  const after = bed.digestOf(engine, 'old');
  const live = await engine.digest(name);
  const problems: string[] = [];
  if (live !== before && live !== after) {
    if (!allow.mayBeBetween)
      problems.push(`LOSS: the live database is neither the old nor the new one (${live ?? 'it is gone'})`);
    return problems;
  }
  if (allow.hasTwin) return problems;
  const isUnknown = /whether it is done is not known/.test(ended.stderr);
  if (ended.code === 0 && live !== after) problems.push('FALSE SUCCESS: exit 0, and the live database is the old one');
  if (ended.code !== 0 && !allow.killed && !isUnknown && live !== before)
    problems.push(`exit ${ended.code}, but the live database is the new one`);
  if (live === after) {
    const role = verb === 'undo' ? 'undone' : 'previous';
    const kept = (await engine.startingWith(`${name}_${role}_`)).at(-1);
    const held = kept === undefined ? undefined : await engine.digest(kept);
    const isKept = held === before || (allow.isSecond === true && held === after);
    if (!isKept && !allow.mayBeBetween) problems.push('LOSS: the replaced database is not kept');
  }
  if (ended.code === 0 && verb === 'restore') {
    const prefix = world.place.env().S3_PREFIX;
    const said: string | null = documentOf(ended)?.safetyBackup ?? null;
    const key = said !== null && prefix ? said.slice(prefix.length + 1) : said;
    if (key !== null && !listed.some((backup) => backup.key === key && backup.hasManifest))
      problems.push(`FALSE SUCCESS: the safety backup ${key} is not there`);
  }
  return problems;
}

function judgeCleanup(world: World, listed: readonly Backup[], ended: Ended, allow: Allowance): string[] {
  // what another run has put there is among the newest, and an older one is no longer
  const isNewer = (backup: Backup) =>
    allow.hasTwin === true && backup.hasManifest && backup.kind !== 'pre-restore' && !isSeeded(world, backup);
  const newer = listed.filter(isNewer).length + (allow.phantom ? 1 : 0);
  const wanted = listingOf(world.seeded).slice(0, Math.max(0, KEPT - newer));
  const lost = wanted.filter((backup) => !listed.some(({ key, hasManifest }) => key === backup.key && hasManifest));
  const problems = lost.map(({ key }) => `LOSS: ${key} was to stay`);
  if (ended.code !== 0) return problems;
  const removed: string[] = (documentOf(ended)?.remove ?? []).map(({ key }: { key: string }) => key);
  const still = removed.filter((key) => listed.some((backup) => key.endsWith(backup.key)));
  return [...problems, ...still.map((key) => `FALSE SUCCESS: ${key} was deleted, it says, and is there`)];
}

/** A key as the storage's place has it, without the prefix. */
function bareOf(world: World, key: string): string {
  const prefix = world.place.env().S3_PREFIX;
  return prefix && key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : key;
}

function judgeList(world: World, ended: Ended): string[] {
  if (ended.code !== 0) return [];
  const listed: string[] = (documentOf(ended) ?? []).map(({ key }: { key: string }) => key);
  return listed
    .filter(
      (key) => ![...world.seeded.keys()].some((seeded) => key.endsWith(seeded) || seeded.includes(bareOf(world, key))),
    )
    .map((key) => `FALSE SUCCESS: ${key} is listed and not there`);
}
