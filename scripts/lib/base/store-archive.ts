import type { ArchiveSink } from '../engines/postgres/base/archives.ts';
import { OperatorError } from '../errors.ts';
import type { Compression } from '../formats.ts';
import { baseArchiveKey } from '../log/base-keys.ts';
import type { BaseManifest } from '../log/base-manifest.ts';
import type { LogStore } from '../log/store.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { compressStages } from '../pipeline/codec.ts';
import { assertAllRead, meterStage } from '../pipeline/meter.ts';
import { nameBesideManifest } from '../repository/object-key.ts';
import type { Repository } from '../repository/repository.ts';
import type { PutResult } from '../storages/storage.ts';

/** An archive of a base on its way into the store. */
export interface StoredArchive extends ArchiveSink {
  readonly key: string;
  /** For the manifest, once it is stored. */
  object(rawBytes: ReadonlyMap<string, number>): BaseManifest['objects'][number];
  isStored(): boolean;
  /** Ends it, whole or not. */
  discard(): Promise<void>;
}

const METER = 'last meter';
/** Log that is written while the base is taken comes with it, and a little that is no data. */
const MORE_BYTES = 256 * 1024 * 1024;

/** Starts to store an archive: what is written is compressed, encrypted and put, all of it or nothing. */
export function storeArchive(options: {
  readonly store: LogStore;
  readonly repository: Repository;
  readonly stem: string;
  readonly compression: Compression;
  /** Its name in the base's folder; undefined for the only one. */
  readonly archive: string | undefined;
  readonly name: string;
  readonly expectedBytes: number;
  /** Told at once when it cannot be stored. */
  readonly fail: (error: unknown) => void;
  readonly signal: AbortSignal;
}): StoredArchive {
  const { store, repository, stem, compression, archive, name, signal } = options;
  const encrypted = repository.encryption.recipients.length > 0;
  const key = baseArchiveKey(stem, {
    ...(archive === undefined ? {} : { tablespace: archive }),
    compression: compression.method,
    encrypted,
  });
  const chain = startChain([...compressStages(compression), ...repository.sealingStages(), meterStage(METER)], {
    stdin: true,
    stdout: true,
    signal,
    endsTogether: true,
  });
  const { stdin } = chain;
  if (!stdin) throw new OperatorError('PROCESS_FAILED', `there is no way into ${key}`);
  const body = readChain(chain, {
    signal,
    verify: (results, sizeBytes) => assertAllRead(results, METER, sizeBytes),
  });
  let stored: PutResult | undefined;
  const putting = store
    .putArchive(key, body, { expectedBytes: options.expectedBytes + MORE_BYTES, signal })
    .then((result) => {
      stored = result;
    });
  putting.catch((error: unknown) => {
    stdin.destroy();
    options.fail(error);
  });
  return {
    key,
    write: async (bytes) => {
      if (stdin.destroyed || !stdin.write(bytes)) await drained();
    },
    end: async () => {
      stdin.end();
      await putting;
    },
    object: (rawBytes) => ({
      name: nameBesideManifest(stem, key),
      sizeBytes: stored?.sizeBytes ?? 0,
      sha256: stored?.sha256 ?? '',
      rawBytes: rawBytes.get(name) ?? 0,
    }),
    isStored: () => stored !== undefined,
    discard: async () => {
      if (stored === undefined) {
        chain.kill();
        stdin.destroy();
      }
      await putting.catch(() => {});
    },
  };

  /** What cannot be stored has been told by then, and is thrown here too. */
  async function drained(): Promise<void> {
    if (!stdin?.destroyed) {
      await new Promise<void>((resolve) => {
        const done = () => {
          stdin?.off('drain', done);
          stdin?.off('close', done);
          resolve();
        };
        stdin?.on('drain', done);
        stdin?.on('close', done);
      });
    }
    if (stdin?.destroyed) await putting;
  }
}
