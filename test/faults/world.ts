import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stemOf } from '../../scripts/lib/repository/object-key.ts';
import { type Bed, type Format, listingOf, SOURCE } from './bed.ts';
import type { Databases, State } from './databases.ts';
import type { Objects, Place } from './stores.ts';
import { type Environment, processesWith, startVerb, type UnderWay } from './verbs.ts';

export const VERBS = ['backup', 'restore', 'undo', 'cleanup', 'drill', 'list'] as const;
export type Verb = (typeof VERBS)[number];

export const WORDS: Readonly<Record<Verb, readonly string[]>> = {
  backup: ['backup', '--json'],
  restore: ['restore', 'latest', '--source', SOURCE, '--json'],
  undo: ['restore', '--undo', '--json'],
  cleanup: ['cleanup', '--json'],
  drill: ['drill', '--json'],
  list: ['list', '--json'],
};

/** Short, so that what hangs is given up on while somebody watches. */
const IMPATIENT: Environment = {
  CONNECT_TIMEOUT: '2s',
  STORAGE_TIMEOUT: '2s',
  LOCK_TIMEOUT: '3s',
};
const PATIENT: Environment = { BACKUP_TIMEOUT: '2m', RESTORE_TIMEOUT: '2m' };

/** No verb may take longer to come to its end, with these limits, than this. */
const HUNG_AFTER_MS = 120_000;
/** What a run leaves behind has so long to go by itself: sockets that close, servers that stop. */
const SETTLE_MS = 5_000;

export const DAY_MS = 86_400_000;
/** How many backups there are to clean up, and how many are to stay. */
export const GENERATIONS = 5;
export const KEPT = 2;

/** Everything of one case: a database and what is beside it, a place in the storage, folders. */
export class World {
  readonly name: string;
  readonly folder: string;
  readonly place: Place;
  /** What was in the storage before. */
  readonly seeded = new Map<string, Buffer>();
  readonly bed: Bed;
  readonly engine: Databases;
  readonly verb: Verb;
  readonly state: State;
  /** Of the backups that are there before. */
  readonly format: Format;

  constructor(
    bed: Bed,
    engine: Databases,
    verb: Verb,
    id: string,
    { isBig, format }: { isBig: boolean; format: Format },
  ) {
    this.format = format;
    this.bed = bed;
    this.engine = engine;
    this.verb = verb;
    // none is the beginning of another
    this.name = `case_${id}_`;
    this.folder = join(bed.folder, this.name);
    this.place = bed.place(this.name);
    this.state = verb === 'backup' ? (isBig ? 'big' : 'old') : verb === 'restore' || verb === 'undo' ? 'new' : 'old';
    for (const folder of ['tmp', 'drill', 'cwd']) mkdirSync(join(this.folder, folder), { recursive: true });
    // throwaway servers run as other users
    execFileSync('chmod', ['1777', join(this.folder, 'tmp'), join(this.folder, 'drill')]);
  }

  /** Sets the scene for the verb. */
  async prepare(): Promise<void> {
    const { engine, name, verb } = this;
    if (verb !== 'list') await engine.create(name, this.state);
    if (verb === 'undo') await engine.create(`${name}_previous_20260101000000`, 'old');
    if (verb === 'cleanup') await engine.create(`${name}_previous_20200101000000`, 'new');
    const generations = verb === 'cleanup' || verb === 'list' ? GENERATIONS : 1;
    for (let i = 1; i <= generations; i += 1) {
      for (const [key, bytes] of aged(this.bed.golden(engine, this.format), new Date(Date.now() - i * DAY_MS)))
        this.seeded.set(key, bytes);
    }
    await this.place.write(this.seeded);
  }

  /** The environment of a run; `through` leads it to the database and the storage by way of proxies. */
  env(through: { port?: number; endpoint?: string; patient?: boolean } = {}): Environment {
    const { identity } = this.bed;
    const limit = (times: number) => `${Math.ceil(this.bed.limitSeconds(this.engine) * times)}s`;
    return {
      TMPDIR: join(this.folder, 'tmp'),
      DRILL_DIR: join(this.folder, 'drill'),
      BACKUP_SOURCE_SHOP: this.engine.url(this.name, through.port),
      ...this.place.env(through.endpoint),
      ...(through.patient ? PATIENT : { ...IMPATIENT, BACKUP_TIMEOUT: limit(1), RESTORE_TIMEOUT: limit(1.5) }),
      ...(identity ? { BACKUP_AGE_IDENTITY: identity.secret } : {}),
      ...(this.state === 'big' ? { BACKUP_COMPRESSION: 'none' } : {}),
      RETENTION_KEEP_LAST: String(KEPT),
      RETENTION_KEEP_HOURLY: '0',
      RETENTION_KEEP_DAILY: '0',
      RETENTION_KEEP_WEEKLY: '0',
      RETENTION_KEEP_MONTHLY: '0',
      RETENTION_KEEP_YEARLY: '0',
    };
  }

  start(words: readonly string[], env: Environment, limits?: readonly string[]): UnderWay {
    const options = { cwd: join(this.folder, 'cwd'), hungAfterMs: HUNG_AFTER_MS, ...(limits ? { limits } : {}) };
    return startVerb(this.bed.verbs, words, env, options);
  }

  /** What a run has left that should be gone by now. */
  async leftovers(): Promise<string[]> {
    for (const deadline = Date.now() + SETTLE_MS; ; await sleep(100)) {
      const left = await this.#leftNow();
      if (left.length === 0 || Date.now() > deadline) return left;
    }
  }

  async #leftNow(): Promise<string[]> {
    const files = ['tmp', 'drill', 'cwd'].flatMap((folder) =>
      readdirSync(join(this.folder, folder)).map((file) => `file ${folder}/${file}`),
    );
    const databases = (await this.engine.startingWith(this.name)).filter((name) => name.includes('_restoring_'));
    return [
      ...processesWith(this.folder),
      ...(await this.engine.sessions(this.name)),
      ...files,
      ...databases.map((name) => `staging database ${name}`),
      ...(await this.place.unfinished()).map((upload) => `unfinished upload ${upload}`),
    ];
  }

  async remove(): Promise<void> {
    await this.engine.drop(this.name);
    await this.place.clear();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The objects of a backup as they would be had it been taken at that time. */
function aged(objects: Objects, at: Date): Map<string, Buffer> {
  const createdAt = new Date(Math.floor(at.getTime() / 1_000) * 1_000);
  const [backup] = listingOf(objects);
  const before = backup?.stem ?? '';
  const after = stemOf('', SOURCE, createdAt);
  const nameOf = (stem: string) => stem.slice(stem.lastIndexOf('/') + 1);
  return new Map(
    [...objects].map(([key, bytes]) => {
      const renamed = key.replace(before, after);
      if (!key.endsWith('.json')) return [renamed, bytes];
      const manifest = JSON.parse(bytes.toString());
      manifest.createdAt = createdAt.toISOString();
      for (const object of manifest.objects) object.name = object.name.replace(nameOf(before), nameOf(after));
      return [renamed, Buffer.from(JSON.stringify(manifest))];
    }),
  );
}
