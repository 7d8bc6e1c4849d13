import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { removeLeftServers } from '../engines/database/throwaway.ts';
import type { Rehearsal } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { expandSources } from '../engines/sources.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { readsFormat } from '../formats.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import { drillDirectory, rehearsalLock, removeLeftLocks } from '../machine/run-notes.ts';
import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { type DrillRecord, drillOfServer } from '../repository/drill-record.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import { load } from '../restore/load.ts';
import { beginProof } from '../restore/proof.ts';
import { type Source, sourceNamed, standIn } from '../source.ts';
import { log } from '../terminal/log.ts';
import {
  addProof,
  checkContents,
  type Findings,
  failedCheck,
  givenCheck,
  nothingToDrill,
  record,
  tableRows,
} from './findings.ts';
import { checkInvariants, readInvariants } from './invariants.ts';
import { drillServer } from './server.ts';

/** Which backups to rehearse: one by key, or the latest of each source or of one. */
export interface DrillRequest {
  readonly wanted?: string;
  readonly source?: string;
}

/** What came of one backup's drill, and the key of its record; null when that could not be written. */
export type DrillResult = DrillRecord & { readonly record: string | null };

/**
 * Rehearses restores on a throwaway server, one backup after the other, proves each, times it, and writes a record of
 * it. A drill that fails is data: the run goes on. The live databases are not connected to, but for listing the
 * databases of a `/*` source.
 *
 * @throws OperatorError LOCKED when another drill is running here
 */
export async function drill(
  config: Config,
  repository: Repository,
  request: DrillRequest,
  signal: AbortSignal,
): Promise<DrillResult[]> {
  const directory = drillDirectory(config.values.DRILL_DIR);
  if (!existsSync(directory)) {
    throw new OperatorError('CONFIG', `DRILL_DIR ${directory} does not exist`, {
      hint: 'Make it, or point DRILL_DIR elsewhere.',
    });
  }
  return withLocalLock(directory, 'drill', async () => {
    removeLeftServers(directory);
    removeLeftLocks(directory);
    const results: DrillResult[] = [];
    for (const { source, backup, problem } of await selectDrills(config, repository, request, signal)) {
      const record = backup
        ? await withLocalLock(directory, rehearsalLock(source.name), () =>
            withTimeout(signal, config.limits.restore, `the drill of ${source.name}`, (limited) =>
              rehearse({ config, repository, source, backup, directory, signal: limited }, signal),
            ),
          )
        : nothingToDrill(source.name, problem ?? 'there is no backup of it');
      results.push({ ...record, record: await keep(config, repository, record) });
      signal.throwIfAborted();
    }
    for (const server of request.wanted === undefined && request.source === undefined ? config.servers : []) {
      const what = `the drill of ${server.name}`;
      const record = await withLocalLock(directory, rehearsalLock(drillOfServer(server.name)), () =>
        withTimeout(signal, config.limits.restore, what, (limited) =>
          drillServer({ config, repository, server, directory, signal: limited }, signal),
        ),
      );
      results.push({ ...record, record: await keep(config, repository, record) });
      signal.throwIfAborted();
    }
    return results;
  });
}

interface Selected {
  readonly source: Source;
  readonly backup?: Backup;
  readonly problem?: string;
}

async function selectDrills(
  config: Config,
  repository: Repository,
  request: DrillRequest,
  signal: AbortSignal,
): Promise<Selected[]> {
  const backups = await repository.backups(signal);
  if (request.wanted !== undefined && request.wanted !== 'latest') {
    const backup = repository.select(backups, { wanted: request.wanted });
    return [{ source: await sourceOf(config, repository, { backup, named: request.source }, signal), backup }];
  }
  const known = await expandSources(config.sources, signal);
  const wanted = known.filter(({ source }) => request.source === undefined || source.name === request.source);
  if (wanted.length === 0) {
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(request.source)}`, {
      hint: `Configured: ${known.map(({ source }) => source.name).join(', ')}.`,
    });
  }
  return wanted.map(({ source, problem }) => {
    const backup = backups.find((candidate) => candidate.source === source.name && candidate.kind === 'backup');
    return { source, ...(backup ? { backup } : {}), ...(problem === undefined ? {} : { problem }) };
  });
}

/**
 * A backup's own source, or for one that is no longer configured a stand-in of the same engine: the throwaway server
 * needs no more. Which engine that is, its manifest says; without one, the source that the operator names, or the only
 * engine that is configured for dumps of its format.
 */
async function sourceOf(
  config: Config,
  repository: Repository,
  { backup, named }: { backup: Backup; named: string | undefined },
  signal: AbortSignal,
): Promise<Source> {
  // one that cannot be read is the drill's own finding
  const manifest = await repository.manifestOf(backup, signal).catch(() => undefined);
  const reads = ({ engine }: Source) => (manifest ? engine === manifest.engine : readsFormat(engine, backup.format));
  const own = sourceNamed(config.sources, named ?? backup.source);
  if (own && reads(own)) return named === undefined ? own : standIn(own, backup.source);
  if (named !== undefined && !own)
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(named)}`, {
      hint: `Configured: ${config.sources.map(({ name }) => name).join(', ')}.`,
    });
  const readers = config.sources.filter(reads);
  const [reader] = readers;
  if (reader && readers.every(({ engine }) => engine === reader.engine)) {
    return standIn(reader, backup.source);
  }
  if (reader) {
    const engines = [...new Set(readers.map(({ engine }) => engine))].join(' or ');
    throw new OperatorError('USAGE', `${backup.key} has no manifest, so it is not known whether it is of ${engines}`, {
      hint: `Name a source of its kind: drill KEY --source ${readers.map(({ name }) => name).join(' or ')}.`,
    });
  }
  throw new OperatorError('CONFIG', `${backup.key} belongs to a kind of source that is not configured`, {
    hint: `Configure a source for it in .env: BACKUP_SOURCE_*.`,
  });
}

interface DrillOrder {
  readonly config: Config;
  readonly repository: Repository;
  readonly source: Source;
  readonly backup: Backup;
  readonly directory: string;
  readonly signal: AbortSignal;
}

async function rehearse(order: DrillOrder, outer: AbortSignal): Promise<DrillRecord> {
  const { repository, source, backup, directory, signal } = order;
  const startedAt = new Date();
  log.info(`drill: rehearsing the restore of ${backup.key} (${formatBytes(backup.sizeBytes)})`);
  const found: Findings = { checks: [], tables: [], rtoMs: null, rawBytes: null };
  let rehearsal: Rehearsal | undefined;
  try {
    repository.assertReadable(backup);
    const manifest = await repository.manifestOf(backup, signal);
    found.rawBytes = manifest?.rawBytes ?? null;
    const globals = await repository.globalsOf(backup, manifest, signal);
    const engine = await engineOf(source.engine);
    rehearsal = await engine.rehearse(source, {
      directory,
      manifest,
      hasGlobals: globals !== undefined,
      storedBytes: backup.sizeBytes,
      signal,
    });
    await restoreAndCheck(order, rehearsal, { manifest, globals }, found);
  } catch (error) {
    // an interrupt ends the run; RESTORE_TIMEOUT is what this drill has found
    outer.throwIfAborted();
    const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
    found.checks.push({ name: failedCheck(error), ok: false, detail: `${messageOf(error)}${hint}` });
  } finally {
    await rehearsal?.stop();
  }
  return record(source.name, backup, startedAt, found);
}

async function restoreAndCheck(
  { config, repository, source, backup, signal }: DrillOrder,
  rehearsal: Rehearsal,
  { manifest, globals }: { manifest: Manifest | undefined; globals: string | undefined },
  found: Findings,
): Promise<void> {
  const engine = await engineOf(source.engine);
  const asked = Date.now();
  const session = await engine.beginRestore(rehearsal.source, {
    ...(manifest ? { manifest } : {}),
    ...(globals === undefined ? {} : { globals }),
    rehearses: true,
    signal,
  });
  try {
    const proof = await beginProof({ repository, backup, manifest, session, globals, signal });
    await load({ repository, backup, manifest, session, witness: proof?.witness, signal });
    found.checks.push(
      {
        name: 'digest',
        ok: true,
        detail: manifest ? 'size and SHA-256 as in the manifest' : 'no manifest to compare with',
      },
      { name: 'restored without an error', ok: true, detail: 'the dump is complete' },
    );
    const [contents, ungiven] = await Promise.all([session.contents(), session.prepare()]);
    found.tables = tableRows(manifest, contents);
    if (manifest) found.checks.push(...checkContents(manifest, contents));
    if (globals !== undefined) found.checks.push(givenCheck(ungiven));
    const proved = await proof?.prove();
    if (proved) addProof(found, proved);
    found.checks.push(...(await rehearsal.inspect(session.staging)));
    const { query } = rehearsal;
    if (query) {
      const invariants = readInvariants(config.values.DRILL_CHECKS, source.name);
      found.checks.push(...(await checkInvariants((sql) => query(session.staging, sql), invariants)));
    }
    // a restore does not wait for the proof
    found.rtoMs = Date.now() - asked - (proved?.durationMs ?? 0);
  } finally {
    await session.close();
  }
}

/** Writes the record. Without it status would not know of the drill, but what the drill found stays true. */
async function keep(config: Config, repository: Repository, result: DrillRecord): Promise<string | null> {
  try {
    return await repository.keepDrill(result, AbortSignal.timeout(config.values.STORAGE_TIMEOUT * 3));
  } catch (error) {
    log.warn(
      `the record of the drill of ${result.source} could not be written, so status will not show it: ${messageOf(error)}`,
    );
    return null;
  }
}
