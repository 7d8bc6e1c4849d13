import type { Writable } from 'node:stream';
import type { Load, RestoreSession } from '../engines/restoring.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { type Chain, type Stage, startChain } from '../pipeline/chain.ts';
import { decompressStages, decryptStages } from '../pipeline/codec.ts';
import { meterStage, readMeter } from '../pipeline/meter.ts';
import { assertSucceeded, type StageResult } from '../pipeline/result.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Manifest, ObjectMember } from '../repository/manifest.ts';
import { type BackupObject, objectsOf } from '../repository/read.ts';
import type { Repository } from '../repository/repository.ts';
import { wrongIdentity } from '../repository/sealed-text.ts';
import { command } from '../terminal/hints.ts';
import { type Progress, startProgress } from '../terminal/progress.ts';

const METER = 'meter';

/** A backup on its way into a staging place. */
export interface LoadOrder {
  readonly repository: Repository;
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly session: RestoreSession;
  /** Stands between each object's dump and what loads it, and sees it pass. */
  readonly witness?: (() => Stage) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Loads a backup into the session's staging place, step by step, comparing sizes and digests on the way. When one of
 * several objects fails, the others are ended.
 *
 * @throws OperatorError BACKUP_DAMAGED, DUMP_INCOMPLETE or RESTORE_FAILED
 */
export async function load(order: LoadOrder): Promise<void> {
  const { repository, backup, manifest, session, signal: outer } = order;
  const objects = objectsOf(backup, manifest);
  const parts = objects.flatMap(({ part }) => (part === undefined ? [] : [part]));
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const progress = startProgress({ what: `reading ${backup.key}`, totalBytes: backup.sizeBytes });
  try {
    const [only] = objects;
    const members =
      only && only.part === undefined ? await repository.membersOf(backup, only.key, manifest, signal) : undefined;
    const loadOne = async (one: Load) => {
      const object = objects.find(({ part }) => part === one.part);
      if (!object) throw new OperatorError('BACKUP_DAMAGED', `${backup.key} has no object ${one.part}`);
      await loadObject({ ...order, signal, progress }, object, one);
    };
    for (const { jobs, loads, meanwhile, after } of await session.plan(backup.format, parts, members)) {
      const waiting = loads.values();
      const workers = Array.from({ length: meanwhile ? jobs : Math.min(jobs, loads.length) }, async () => {
        for (const one of waiting) {
          signal.throwIfAborted();
          await loadOne(one);
        }
        await meanwhile?.(signal);
      });
      for (const worker of workers) worker.catch((error) => failed.abort(error));
      // those that did not fail by themselves are being ended
      await Promise.allSettled(workers);
      signal.throwIfAborted();
      await after?.();
    }
  } finally {
    progress.end();
  }
}

/** Loads one object. What reads it sees the end of its input, and may commit, only once all was as it was stored. */
async function loadObject(
  { repository, backup, manifest, witness, signal: outer, progress }: LoadOrder & { progress: Progress },
  { key }: BackupObject,
  { member, into, meter, before = [], through = [], verifyEnd, onLoaded, doom }: Load,
): Promise<void> {
  const signal = doom ? AbortSignal.any([outer, doom]) : outer;
  const isProgram = typeof into !== 'function';
  const chain = startChain(
    [
      ...repository.openingStages(backup),
      ...before,
      meterStage(METER, { program: meter }),
      ...(witness ? [witness()] : []),
      ...through,
      ...(isProgram ? [into] : []),
    ],
    { stdin: true, stdout: !isProgram, signal },
  );
  const { stdin } = chain;
  if (!stdin) throw new OperatorError('PROCESS_FAILED', 'the restore has no input to write to');
  let hasEnded = false;
  void chain.finished.then(() => {
    hasEnded = true;
    // what waits for room in it waits no longer
    stdin.destroy();
  });
  const reading = isProgram ? undefined : readText(chain);
  let isWhole = true;
  try {
    for await (const chunk of repository.read(backup, { key, member }, manifest, signal)) {
      if (hasEnded || stdin.destroyed) {
        isWhole = false;
        break;
      }
      progress.add(chunk.length);
      if (!stdin.write(chunk)) await drainedOrClosed(stdin);
    }
    signal.throwIfAborted();
    // only now may the loading program see an end, take the dump for whole and commit
    stdin.end();
    const text = await reading;
    const results = await chain.finished;
    signal.throwIfAborted();
    assertLoaded(backup, key, results);
    if (!isWhole) throw new OperatorError('RESTORE_FAILED', `${key} was not read to its end by the loading program`);
    const read = readMeter(results, METER);
    // what is picked out of a part is less; the part's digest has been compared all the same
    if (member && before.length === 0 && read.sizeBytes !== member.rawBytes)
      throw notAsLong(key, member, read.sizeBytes);
    verifyEnd(read.tail);
    if (!isProgram) await into(text ?? '');
    onLoaded?.();
  } catch (error) {
    chain.kill();
    stdin.destroy();
    chain.stdout?.destroy();
    await chain.finished;
    signal.throwIfAborted();
    throw error;
  }
}

function notAsLong(key: string, { offset, rawBytes }: ObjectMember, sizeBytes: number): OperatorError {
  const message = `${key} is not what was stored: its part at byte ${offset} has ${sizeBytes} bytes of the dump, the manifest says ${rawBytes}`;
  return new OperatorError('BACKUP_DAMAGED', message, {
    hint: `Restore another backup of this source (${command('list')}). The live database is as it was.`,
  });
}

/** All that a chain writes, which is little; whether the chain succeeded is for the caller to look at. */
async function readText({ stdout }: Chain): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of (stdout ?? []) as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    // ended by a failure that is told elsewhere
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Leaves no listener behind: a large backup is waited for a million times. */
function drainedOrClosed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}

/** A decompressor that gives up means a damaged object, which the operator has to hear in those words. */
function assertLoaded(backup: Backup, key: string, results: readonly StageResult[]): void {
  try {
    assertSucceeded(results);
  } catch (error) {
    const stranger = results
      .map(({ stderr }) => wrongIdentity(backup.key, stderr))
      .find((found) => found !== undefined);
    if (stranger) throw stranger;
    const decompressors = [...decryptStages(''), ...decompressStages(backup.compression)].map(({ name }) => name);
    const isDamaged = results.some(
      (result) => decompressors.includes(result.name) && result.exitCode !== 0 && result.exitCode !== null,
    );
    const isLoaderFine = results.at(-1)?.exitCode === 0;
    if (isDamaged && isLoaderFine) {
      throw new OperatorError('BACKUP_DAMAGED', `${key} is damaged: ${messageOf(error)}`, {
        hint: `Restore another backup of this source (${command('list')}). The live database is as it was.`,
        cause: error,
      });
    }
    const next = error instanceof OperatorError ? `${error.hint} ` : '';
    throw new OperatorError('RESTORE_FAILED', `${key} could not be restored: ${messageOf(error)}`, {
      hint: `${next}The live database is as it was. The message above is the first error; what follows it was not run.`.trimStart(),
      cause: error,
    });
  }
}
