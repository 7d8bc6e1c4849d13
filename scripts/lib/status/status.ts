import type { Config } from '../config/config.ts';
import { rpoTargetFor } from '../config/own-settings.ts';
import type { Store } from '../copy/stores.ts';
import { expandSources } from '../engines/sources.ts';
import { inParallel } from '../parallel.ts';
import { formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import type { DrillRecord, StoredDrill } from '../repository/drill-record.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import { type FoundBeside, readBeside } from './beside.ts';
import { copyStatus, primaryStatus, type StoreStatus } from './copies.ts';
import { drifts } from './drifts.ts';
import { type JobStatus, readJobs } from './jobs.ts';
import { withoutSource } from './no-source.ts';
import { type RunStatus, readRuns, stuckReasons } from './runs.ts';
import { protectionSentence } from './sentence.ts';
import type { ServerStatus } from './servers.ts';

/** For how many sources documents are read at the same time: of each up to three. */
const SOURCES_AT_ONCE = 16;

/** How one source stands. */
export interface SourceStatus {
  readonly source: string;
  readonly ok: boolean;
  /** Why it is not ok, as sentences. */
  readonly reasons: readonly string[];
  /** What an operator should know all the same. */
  readonly warnings: readonly string[];
  readonly lastBackup: { key: string; createdAt: string; sizeBytes: number; manifest: boolean } | null;
  readonly lastDrill: { key: string; at: string; ok: boolean; rtoMs: number | null } | null;
  /** What would be lost now: the age of the last backup. */
  readonly rpoMs: number | null;
  readonly rpoTargetMs: number;
  /** How long the last drill's restore took. */
  readonly rtoMs: number | null;
  readonly rtoTargetMs: number;
  readonly drillAgeMs: number | null;
  readonly drillMaxAgeMs: number;
  readonly backups: number;
  readonly storedBytes: number;
  readonly nextRun: string | null;
  /** The runs that hold the source's locks now. */
  readonly running: readonly RunStatus[];
  /** Databases that restores and undos keep; null when the server was not asked or did not answer. */
  readonly keptDatabases: readonly { name: string; role: string; since: string; sizeBytes: number }[] | null;
}

export interface Status {
  readonly ok: boolean;
  readonly checkedAt: string;
  /** The scheduled jobs of this container; none where nobody waits for any. */
  readonly jobs: readonly JobStatus[];
  readonly sources: readonly SourceStatus[];
  /** The store that backups are written to, as it was found when it was read back. */
  readonly primary: StoreStatus;
  /** Every COPY_<NAME>. */
  readonly copies: readonly StoreStatus[];
  /** How many copies there are, on how many stores, and which an intruder with this machine's keys could delete. */
  readonly protection: string;
  /** The servers whose log is taken. */
  readonly servers: readonly ServerStatus[];
}

/**
 * How every source stands, from two listings, and for each source its two newest manifests and its newest drill's
 * record: however many backups there are.
 */
export async function readStatus(
  config: Config,
  { primary, copies }: { primary: Store; copies: readonly Store[] },
  now: Date,
  signal: AbortSignal,
): Promise<Status> {
  const { repository } = primary;
  // every object's size is asked for only where copies are held against it
  const [inventory, drills] = await Promise.all([
    copies.length === 0 ? undefined : repository.inventory(signal),
    repository.newestDrills(signal),
  ]);
  const backups = inventory?.backups.map(({ backup }) => backup) ?? (await repository.backups(signal));
  const bySource = new Map<string, Backup[]>();
  for (const backup of backups) {
    const ofSource = bySource.get(backup.source);
    if (ofSource) ofSource.push(backup);
    else bySource.set(backup.source, [backup]);
  }
  const beside = await readBeside(await expandSources(config.sources, signal), signal);
  const sources = await inParallel(beside, SOURCES_AT_ONCE, (found) =>
    sourceStatus({ config, repository, now, signal }, found, {
      all: bySource.get(found.source.name) ?? [],
      drillKey: drills.get(found.source.name),
    }),
  );
  const jobs = readJobs(config, now);
  // where no log is taken, what asks servers is not loaded
  const servers =
    config.servers.length === 0
      ? []
      : await (await import('./servers.ts')).readServers({ config, repository, now, signal }, drills);
  const look = { config, now, signal };
  const ofPrimary = await primaryStatus(look, primary, backups, withoutSource(config, backups, now));
  const ofCopies = inventory ? await Promise.all(copies.map((copy) => copyStatus(look, copy, inventory))) : [];
  return {
    ok: [...sources, ...jobs, ...servers, ofPrimary, ...ofCopies].every(({ ok }) => ok),
    checkedAt: now.toISOString(),
    jobs,
    sources,
    servers,
    primary: ofPrimary,
    copies: ofCopies,
    protection: protectionSentence(
      [primary, ...copies].map((store, index) => factsOf(store, [ofPrimary, ...ofCopies][index])),
      command('verify'),
    ),
  };
}

function factsOf({ name, place, accessKey }: Store, status: StoreStatus | undefined) {
  return {
    name,
    place,
    accessKey,
    // of one that is away, what it held is still there
    holds: status?.isAway === true || (status?.backups ?? 0) > 0,
    isDestroyable: status?.isDestroyable ?? undefined,
    lockedUntil: status?.lock?.until,
  };
}

interface Circumstances {
  readonly config: Config;
  readonly repository: Repository;
  readonly now: Date;
  readonly signal: AbortSignal;
}

async function sourceStatus(
  { config, repository, now, signal }: Circumstances,
  { source, problem, kept, underWay, warnings }: FoundBeside,
  { all, drillKey }: { all: readonly Backup[]; drillKey: StoredDrill | undefined },
): Promise<SourceStatus> {
  const backups = all.filter(({ kind }) => kind === 'backup');
  const last = backups[0];
  const drill = drillKey && (await repository.drill(drillKey, signal));
  const running = await readRuns({ config, repository, signal }, source, {
    underWay,
    lastBackup: last,
    lastDrill: drill,
  });
  const rpoMs = last ? now.getTime() - last.createdAt.getTime() : null;
  const drillAgeMs = drillKey ? now.getTime() - drillKey.at.getTime() : null;
  const rpoTargetMs = rpoTargetFor(config, source);
  const rtoTargetMs = source.own?.rtoTargetMs ?? config.values.RTO_TARGET;
  const isDrilled = source.own?.isDrilled !== false;
  const judged = { config, rpoTargetMs, rtoTargetMs, rpoMs, drillAgeMs, drill, oldest: backups.at(-1), now };
  const reasons = [
    ...(problem === undefined ? [] : [problem]),
    ...judgeBackup(judged),
    ...(isDrilled ? judgeDrill(judged) : []),
    ...stuckReasons(running),
  ];
  return {
    source: source.name,
    ok: reasons.length === 0,
    reasons,
    warnings: [
      ...(await drifts(repository, backups, signal)),
      ...warnings,
      ...(repository.encryption.identityBesideBackups
        ? ['the age identity lies in BACKUP_DIR, beside the backups that it opens: keep it elsewhere']
        : []),
      ...(backups.length > 0 && !drillKey && isDrilled ? [`no drill yet: ${command('drill')}`] : []),
    ],
    lastBackup: last
      ? {
          key: last.key,
          createdAt: last.createdAt.toISOString(),
          sizeBytes: last.sizeBytes,
          manifest: last.hasManifest,
        }
      : null,
    lastDrill: drillKey
      ? { key: drillKey.key, at: drillKey.at.toISOString(), ok: drill?.ok ?? false, rtoMs: drill?.rtoMs ?? null }
      : null,
    rpoMs,
    rpoTargetMs,
    rtoMs: drill?.rtoMs ?? null,
    rtoTargetMs,
    drillAgeMs,
    drillMaxAgeMs: config.values.DRILL_MAX_AGE,
    backups: backups.length,
    storedBytes: all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    running,
    nextRun: (source.own?.schedule ?? config.values.BACKUP_SCHEDULE).next(now)?.toISOString() ?? null,
    keptDatabases: kept?.map((each) => ({ ...each, since: each.since.toISOString() })) ?? null,
  };
}

interface Judged {
  readonly config: Config;
  readonly rpoTargetMs: number;
  readonly rtoTargetMs: number;
  readonly rpoMs: number | null;
  readonly drillAgeMs: number | null;
  readonly drill: DrillRecord | undefined;
  readonly oldest: Backup | undefined;
  readonly now: Date;
}

function judgeBackup({ rpoTargetMs, rpoMs }: Judged): string[] {
  if (rpoMs === null) return [`there is no backup of it: ${command('backup')}`];
  if (rpoMs <= rpoTargetMs) return [];
  return [`the last backup is ${formatDuration(rpoMs)} old, the target is ${formatDuration(rpoTargetMs)}`];
}

function judgeDrill({ config, rtoTargetMs, drillAgeMs, drill, oldest, now }: Judged): string[] {
  const maxAgeMs = config.values.DRILL_MAX_AGE;
  if (drillAgeMs === null) {
    // a new installation has until then for its first one
    const waitingMs = oldest ? now.getTime() - oldest.createdAt.getTime() : 0;
    return waitingMs > maxAgeMs ? [`no drill in ${formatDuration(waitingMs)}: ${command('drill')}`] : [];
  }
  const reasons: string[] = [];
  if (!drill) reasons.push('the record of the last drill cannot be read');
  const failed = drill?.checks.filter(({ ok }) => !ok) ?? [];
  if (drill && !drill.ok)
    reasons.push(`the last drill failed: ${failed.map(({ name, detail }) => `${name}: ${detail}`).join('; ')}`);
  if (drillAgeMs > maxAgeMs)
    reasons.push(`the last drill is ${formatDuration(drillAgeMs)} old, at most ${formatDuration(maxAgeMs)} is allowed`);
  const rtoMs = drill?.rtoMs ?? 0;
  if (rtoMs > rtoTargetMs) {
    reasons.push(
      `the last drill's restore took ${formatDuration(rtoMs)}, the target is ${formatDuration(rtoTargetMs)}`,
    );
  }
  return reasons;
}
