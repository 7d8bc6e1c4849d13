import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { borrowedServer } from '../engines/borrowed.ts';
import { removeLeftoverServers } from '../engines/database/throwaway.ts';
import type { BorrowedServer, Rehearsal } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { removeLeftoverLooks } from '../look/leftovers.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import { drillDirectory, rehearsalLock, removeLeftoverLocks } from '../machine/run-notes.ts';
import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { type DrillRecord, drillOfServer } from '../repository/drill-record.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import { load } from '../restore/load.ts';
import { beginProof } from '../restore/proof.ts';
import type { Source } from '../source.ts';
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
import { type DrillRequest, selectDrills } from './select.ts';

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
    removeLeftoverServers(directory);
    await removeLeftoverLooks(directory);
    removeLeftoverLocks(directory);
    const results: DrillResult[] = [];
    const borrowed = await borrowedServer(config, repository, signal);
    for (const { source, backup, problem } of await selectDrills(config, repository, request, signal)) {
      const record = backup
        ? await withLocalLock(directory, rehearsalLock(source.name), () =>
            withTimeout(signal, config.limits.restore, `the drill of ${source.name}`, (limited) =>
              rehearse({ config, repository, source, backup, directory, borrowed, signal: limited }, signal),
            ),
          )
        : nothingToDrill(source.name, problem ?? 'there is no backup of it');
      results.push({ ...record, record: await keep(config, repository, record) });
      signal.throwIfAborted();
    }
    for (const server of request.wanted === undefined && request.source === undefined ? config.servers : []) {
      const what = `the drill of ${server.name}`;
      const record = await withLocalLock(directory, rehearsalLock(drillOfServer(server.name)), () =>
        withTimeout(signal, config.limits.restore, what, async (limited) => {
          // where no log is taken, what recovers a server is not loaded: it takes longer than the rest together
          const { drillServer } = await import('./server.ts');
          return drillServer({ config, repository, server, directory, signal: limited }, signal);
        }),
      );
      results.push({ ...record, record: await keep(config, repository, record) });
      signal.throwIfAborted();
    }
    return results;
  });
}

/** What one rehearsal takes. */
export interface DrillOrder {
  readonly config: Config;
  readonly repository: Repository;
  readonly source: Source;
  readonly backup: Backup;
  readonly directory: string;
  /** DRILL_SERVER_URL; without it, on a server of our own. */
  readonly borrowed?: BorrowedServer | undefined;
  readonly signal: AbortSignal;
  /** On a server of a newer version, with what that says of the database. */
  readonly upgrade?: { readonly to: string; tell(advice: string): void };
}

/** Rehearses the restore of one backup. A failure is what it finds. */
export async function rehearse(order: DrillOrder, outer: AbortSignal): Promise<DrillRecord> {
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
      ...(source.engine === 'postgres' ? { borrowed: order.borrowed } : {}),
      ...(order.upgrade === undefined ? {} : { version: order.upgrade.to }),
      signal,
    });
    await restoreAndCheck(order, rehearsal, { manifest, globals }, found);
  } catch (error) {
    // an interrupt ends the run; RESTORE_TIMEOUT is what this drill has found
    outer.throwIfAborted();
    if (error instanceof OperatorError && error.code === 'LOCKED') throw error;
    const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
    found.checks.push({ name: failedCheck(error), ok: false, detail: `${messageOf(error)}${hint}` });
  } finally {
    await rehearsal?.stop();
  }
  return record(source.name, backup, startedAt, found);
}

async function restoreAndCheck(
  { config, repository, source, backup, upgrade, signal }: DrillOrder,
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
    if (upgrade !== undefined) {
      const advice = await engine.adviceFor?.(rehearsal.source, session.staging, {
        manifest,
        globals,
        to: upgrade.to,
        signal,
      });
      for (const line of advice ?? []) upgrade.tell(line);
    }
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
