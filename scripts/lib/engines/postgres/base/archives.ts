import type { Lsn } from '../../../log/lsn.ts';
import type { BaseMessage, Tablespace } from '../walsender/base-backup.ts';
import { END_OF_TAR_BYTES, tarFile } from './tar-file.ts';

/** Where the bytes of an archive go. */
export interface ArchiveSink {
  /** Resolves when it takes more. */
  write(bytes: Uint8Array): Promise<void>;
  /** There is no more: resolves when all of it has been stored. */
  end(): Promise<void>;
}

/** What the server has said of a base that it has sent. */
export interface SentBase {
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly timeline: number;
  readonly tablespaces: readonly Tablespace[];
  /** Of every archive, as the server sent it and as we added to it, before compression. */
  readonly rawBytes: ReadonlyMap<string, number>;
}

/** The name of the archive with the server's own files; those of tablespaces are named by their OIDs. */
export const BASE_ARCHIVE = 'base';

/**
 * Takes a base apart into its archives, as they come. The server's own manifest becomes the last member of the archive with
 * its own files, which comes last: unpacked, that is a folder that pg_verifybackup can judge.
 *
 * @param open called when an archive begins, with how many there are
 * @throws Error for a stream that is not as the protocol has it; the server's OperatorErrors
 */
export async function takeApart(
  messages: AsyncIterable<BaseMessage>,
  open: (archive: string, of: { count: number; expectedBytes: number | undefined }) => ArchiveSink,
  onProgress: (bytes: number) => void,
): Promise<SentBase> {
  let begin: Extract<BaseMessage, { kind: 'begin' }> | undefined;
  let current: Archive | undefined;
  let manifest: Uint8Array[] | undefined;
  let end: Extract<BaseMessage, { kind: 'end' }> | undefined;
  const rawBytes = new Map<string, number>();
  const finish = async (last?: Uint8Array) => {
    if (current) rawBytes.set(current.name, await current.finish(last));
    current = undefined;
  };
  for await (const message of messages) {
    switch (message.kind) {
      case 'begin':
        begin = message;
        break;
      case 'archive': {
        await finish();
        const name = message.name.replace(/\.tar$/, '');
        const size = begin?.tablespaces.find(({ oid }) => (oid ?? BASE_ARCHIVE) === name)?.sizeBytes;
        const count = begin?.tablespaces.length ?? 1;
        current = new Archive(name, open(name, { count, expectedBytes: size }));
        break;
      }
      case 'manifest':
        manifest = [];
        break;
      case 'data':
        if (manifest) manifest.push(message.bytes);
        else if (current) await current.write(message.bytes);
        else throw new Error('the server sent bytes of no archive');
        break;
      case 'progress':
        onProgress(message.bytes);
        break;
      case 'end':
        end = message;
        break;
    }
  }
  if (!begin || !end || !manifest || current?.name !== BASE_ARCHIVE)
    throw new Error('the server ended the base before it was whole');
  await finish(tarFile('backup_manifest', Buffer.concat(manifest)));
  const { startLsn, timeline, tablespaces } = begin;
  return { startLsn, timeline, tablespaces, endLsn: end.endLsn, rawBytes };
}

/** An archive under way, whose end is held back until it is known whether something is to be added. */
class Archive {
  readonly name: string;
  readonly #sink: ArchiveSink;
  #held: Uint8Array = new Uint8Array();
  #bytes = 0;

  constructor(name: string, sink: ArchiveSink) {
    this.name = name;
    this.#sink = sink;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const ready = Math.max(0, all.length - END_OF_TAR_BYTES);
    this.#held = all.subarray(ready);
    await this.#send(all.subarray(0, ready));
  }

  /** @returns how many bytes it has in all */
  async finish(last: Uint8Array | undefined): Promise<number> {
    if (this.#held.length < END_OF_TAR_BYTES || this.#held.some((byte) => byte !== 0))
      throw new Error(`the server sent an archive that does not end as one: ${this.name}`);
    if (last) await this.#send(last);
    await this.#send(this.#held);
    await this.#sink.end();
    return this.#bytes;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    await this.#sink.write(bytes);
  }
}
