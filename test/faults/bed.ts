import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { type Backup, catalogOf } from '../../scripts/lib/repository/catalog.ts';
import { hasEngine } from '../support/container.ts';
import { type Garage, startGarage } from '../support/garage.ts';
import { startS3Double } from '../support/s3-double.ts';
import { type Databases, type State, startMariaDbDatabases, startPostgresDatabases } from './databases.ts';
import { plainDump } from './proof.ts';
import { directoryPlace, type Objects, type Place, s3Place } from './stores.ts';
import { bundledVerbs, type Environment, startVerb } from './verbs.ts';

export type StoreName = 'directory' | 's3' | 'garage';

/** A source of every case; its name stands in the keys. */
export const SOURCE = 'shop';

export type Format = 'sql' | 'folder';

const SHORTEST_SECONDS = 8;
const LONGEST_SECONDS = 25;

/** How long the verbs take, measured by a backup. */
const TIMES: Readonly<Record<string, number>> = {
  backup: 1,
  restore: 1.8,
  undo: 0.7,
  cleanup: 0.6,
  drill: 4,
  list: 0.3,
};

/** What all cases share: servers, a store, and a golden backup of each engine. */
export interface Bed {
  readonly folder: string;
  /** Where the verbs are. */
  readonly verbs: string;
  readonly engines: readonly Databases[];
  readonly storeName: StoreName;
  /** The address of the S3 store itself. */
  readonly endpoint: string | undefined;
  /** A new place in the storage. */
  place(name: string): Place;
  /** The objects of a backup of the state `old` of that engine, in that format or in the one that it has. */
  golden(engine: Databases, format: Format): Objects;
  digestOf(engine: Databases, state: State): string;
  /** How long a run may take here before it counts as stuck: the machine may have other things to do. */
  limitSeconds(engine: Databases): number;
  /** About how long a verb takes here, so that a signal comes while it runs. */
  typicalMs(engine: Databases, verb: string): number;
  /** Whether the bytes, restored by the client program alone, are that state. Each distinct dump is restored once. */
  restoresTo(engine: Databases, dump: Buffer): Promise<string>;
  identity: { recipient: string; secret: string } | undefined;
  stop(): Promise<void>;
}

/**
 * Starts everything.
 * @param wanted the storage; Garage needs Docker
 * @param isSmall PostgreSQL alone
 */
export async function makeBed(wanted: StoreName, isSmall = false): Promise<Bed> {
  setChildEnvironment(process.env);
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  // the throwaway servers run as other users
  execFileSync('chmod', ['755', folder]);
  const verbs = await bundledVerbs();
  const engines = await startEngines(isSmall);
  const storage = await startStorage(wanted);
  const digests = new Map<string, string>();
  for (const engine of engines) {
    for (const state of ['old', 'new', 'big'] as const) {
      const name = `state_${state}_`;
      await engine.create(name, state);
      digests.set(`${engine.engine} ${state}`, (await engine.digest(name)) ?? '');
      await engine.drop(name);
    }
  }
  const restored = new Map<string, Promise<string>>();
  let loads = 0;
  const bed: Bed = {
    folder,
    verbs: verbs.folder,
    engines,
    storeName: wanted,
    endpoint: storage?.settings.endpoint,
    place: (name) => (storage ? s3Place(storage.settings, name) : directoryPlace(join(folder, name, 'backups'))),
    golden: (engine, format) =>
      golden.get(`${engine.engine} ${format}`) ?? golden.get(`${engine.engine} sql`) ?? new Map(),
    limitSeconds: (engine) =>
      Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, Math.ceil((goldenMs.get(engine.engine) ?? 0) / 150))),
    typicalMs: (engine, verb) => (goldenMs.get(engine.engine) ?? 1_000) * (TIMES[verb] ?? 1),
    digestOf: (engine, state) => digests.get(`${engine.engine} ${state}`) ?? '',
    restoresTo: (engine, dump) => {
      const id = `${engine.engine} ${createHash('sha256').update(dump).digest('hex')}`;
      const known = restored.get(id) ?? load(engine, dump);
      restored.set(id, known);
      return known;
    },
    identity: makeIdentity(),
    stop: async () => {
      await Promise.all([...engines.map((engine) => engine.stop()), storage?.stop()]);
      verbs.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  async function load(engine: Databases, dump: Buffer): Promise<string> {
    loads += 1;
    const name = `proof_${loads}_`;
    const path = join(folder, `${name}.sql`);
    writeFileSync(path, dump);
    try {
      await engine.load(name, path);
      return (await engine.digest(name)) ?? 'gone';
    } catch (error) {
      return `does not restore: ${error instanceof Error ? error.message.slice(0, 300) : error}`;
    } finally {
      rmSync(path);
      await engine.drop(name);
    }
  }
  const golden = new Map<string, Objects>();
  const goldenMs = new Map<string, number>();
  for (const engine of engines) {
    for (const format of engine.engine === 'postgres' ? (['sql', 'folder'] as const) : (['sql'] as const)) {
      const { objects, durationMs } = await takeGolden(bed, engine, format);
      golden.set(`${engine.engine} ${format}`, objects);
      goldenMs.set(engine.engine, durationMs);
    }
  }
  return bed;
}

async function startEngines(isSmall: boolean): Promise<Databases[]> {
  const engines = [await startPostgresDatabases()];
  if (isSmall) return engines;
  try {
    engines.push(await startMariaDbDatabases());
  } catch (error) {
    if ((error as { code?: string }).code !== 'TOOL_MISSING') throw error;
  }
  return engines;
}

async function startStorage(wanted: StoreName) {
  if (wanted === 'directory') return undefined;
  if (wanted === 'garage') {
    if (!hasEngine()) throw new Error('Garage needs a Docker engine, and none answers here');
    const garage: Garage = await startGarage();
    return { settings: garage.settings, stop: () => garage.stop() };
  }
  const double = await startS3Double();
  return { settings: double.settings, stop: () => double.close() };
}

function makeIdentity(): Bed['identity'] {
  try {
    const text = execFileSync('age-keygen', [], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const recipient = /age1[0-9a-z]+/.exec(text)?.[0];
    const secret = /AGE-SECRET-KEY-\S+/.exec(text)?.[0];
    return recipient && secret ? { recipient, secret } : undefined;
  } catch {
    return undefined;
  }
}

async function takeGolden(
  bed: Bed,
  engine: Databases,
  format: Format,
): Promise<{ objects: Objects; durationMs: number }> {
  const name = `golden_${engine.engine}_${format}`;
  await engine.create(name, 'old');
  const place = directoryPlace(join(bed.folder, name, 'backups'));
  const env: Environment = { BACKUP_SOURCE_SHOP: engine.url(name), BACKUP_FORMAT: format, ...place.env() };
  const cwd = join(bed.folder, name);
  const { code, stderr, durationMs } = await startVerb(bed.verbs, ['backup'], env, { cwd, hungAfterMs: 60_000 }).ended;
  if (code !== 0) throw new Error(`the golden backup failed: ${stderr}`);
  const objects = new Map<string, Buffer>();
  for (const key of await place.keys()) objects.set(key, await place.read(key));
  const [backup] = listingOf(objects);
  const proof = backup ? await bed.restoresTo(engine, await plainDump(backup, objects, undefined)) : 'not listed';
  if (proof !== bed.digestOf(engine, 'old')) throw new Error(`the golden backup is not what was dumped: ${proof}`);
  await engine.drop(name);
  return { objects, durationMs };
}

/** The backups among these objects, the newest first. */
export function listingOf(objects: Objects): Backup[] {
  return catalogOf(
    [...objects].map(([key, { length }]) => ({ key, sizeBytes: length })),
    '',
  );
}
