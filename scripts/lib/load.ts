import type { Backup } from './catalog.ts';
import { decompressStages, decryptStages } from './codec.ts';
import type { RestoreSession } from './engines/engine.ts';
import { messageOf, OperatorError } from './errors.ts';
import type { Manifest } from './manifest.ts';
import { meterStage, readMeter } from './meter.ts';
import { assertSucceeded, type StageResult, startChain } from './process-stream.ts';
import { startProgress } from './progress.ts';
import { requireIdentity, wrongIdentity } from './sealed-text.ts';
import type { Storage } from './storages/storage.ts';
import { readVerified } from './verified-read.ts';

const METER = 'meter';

/**
 * Streams a backup into the session's staging place, comparing size and digest on the way. The loading program sees
 * the end of its input, and may commit, only once all of it was there and was what had been stored.
 *
 * @throws OperatorError BACKUP_DAMAGED, DUMP_INCOMPLETE or RESTORE_FAILED
 */
export async function load(
  storage: Storage,
  backup: Backup,
  manifest: Manifest | undefined,
  session: RestoreSession,
  identity: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const chain = startChain(
    [
      ...(backup.encrypted ? decryptStages(requireIdentity(identity, backup.key)) : []),
      ...decompressStages(backup.compression),
      meterStage(METER, { droppedLines: session.droppedLines }),
      await session.stage(backup.format),
    ],
    { stdin: true, signal },
  );
  const { stdin } = chain;
  if (!stdin) throw new OperatorError('PROCESS_FAILED', 'the restore has no input to write to');
  let hasEnded = false;
  void chain.finished.then(() => {
    hasEnded = true;
  });
  let isWhole = true;
  const progress = startProgress({ what: `reading ${backup.key}`, totalBytes: backup.sizeBytes });
  try {
    for await (const chunk of readVerified(storage, backup, manifest, signal)) {
      if (hasEnded || stdin.destroyed) {
        isWhole = false;
        break;
      }
      progress.add(chunk.length);
      if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close'), chain.finished]);
    }
    signal.throwIfAborted();
    // only now may the loading program see an end, take the dump for whole and commit
    stdin.end();
    const results = await chain.finished;
    signal.throwIfAborted();
    assertLoaded(backup, results);
    if (!isWhole)
      throw new OperatorError('RESTORE_FAILED', `${backup.key} was not read to its end by the loading program`);
    session.verifyEnd(readMeter(results, METER).tail, backup.format);
  } catch (error) {
    chain.kill();
    stdin.destroy();
    await chain.finished;
    signal.throwIfAborted();
    throw error;
  } finally {
    progress.end();
  }
}

function once(stream: NodeJS.EventEmitter, event: string): Promise<void> {
  return new Promise((resolve) => stream.once(event, () => resolve()));
}

/** A decompressor that gives up means a damaged object, which the operator has to hear in those words. */
function assertLoaded(backup: Backup, results: readonly StageResult[]): void {
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
      throw new OperatorError('BACKUP_DAMAGED', `${backup.key} is damaged: ${messageOf(error)}`, {
        hint: 'Restore another backup of this source (make list-backups). The live database is as it was.',
        cause: error,
      });
    }
    throw new OperatorError('RESTORE_FAILED', `${backup.key} could not be restored: ${messageOf(error)}`, {
      hint: 'The live database is as it was. The message above is the first error; what follows it was not run.',
      cause: error,
    });
  }
}
