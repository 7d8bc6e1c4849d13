import { createHash } from 'node:crypto';
import type { PutResult } from './storage.ts';

/**
 * A body on its way into a storage: hands out its chunks, counts and hashes them, and can be stopped from outside
 * while it waits for the next one.
 */
export class MeasuredBody {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #hash = createHash('sha256');
  readonly #stopped = new AbortController();
  readonly #unlink: () => void;
  readonly #check: ((read: PutResult) => void) | undefined;
  #result: PutResult | undefined;
  #sizeBytes = 0;
  #reading = false;
  #ended = false;
  #rejectRead: ((reason: unknown) => void) | undefined;

  /**
   * @param signal stops the body with its reason
   * @param check is told what was read, before its end is: what it throws stops the body
   */
  constructor(body: AsyncIterable<Uint8Array>, signal?: AbortSignal, check?: (read: PutResult) => void) {
    this.#body = body;
    this.#check = check;
    this.#iterator = body[Symbol.asyncIterator]();
    const onAbort = () => this.stop(signal?.reason);
    this.#unlink = () => signal?.removeEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  }

  /** Aborts, with the first reason given, as soon as the body is stopped or has thrown. */
  get signal(): AbortSignal {
    return this.#stopped.signal;
  }

  /** The next chunk, never an empty one; undefined at the end. Throws what the body threw or what stopped it. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const step = await this.#read();
      if (step.done) {
        this.#ended = true;
        try {
          this.#check?.(this.result());
        } catch (error) {
          this.stop(error);
          throw error;
        }
        return undefined;
      }
      if (step.value.length === 0) continue;
      this.#hash.update(step.value);
      this.#sizeBytes += step.value.length;
      return step.value;
    }
  }

  /** Makes the read that is waiting, and every later one, throw `reason`. The first reason stays. */
  stop(reason: unknown): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort(reason);
    this.#rejectRead?.(this.#stopped.signal.reason);
  }

  /** Lets go of the body: one that did not end is told so, and what it holds (a process, a file) can be freed. */
  async close(): Promise<void> {
    this.#unlink();
    if (this.#ended) return;
    this.#ended = true;
    const returned = Promise.resolve(this.#iterator.return?.()).then(ignore, ignore);
    // a stream's iterator does not end the stream if it was never read, or while a read is under way
    if ('destroy' in this.#body && typeof this.#body.destroy === 'function') this.#body.destroy();
    // with a read under way return() is answered only after it, which may be never
    if (!this.#reading) await returned;
  }

  /** What has been read so far. Final: nothing can be read afterwards. */
  result(): PutResult {
    this.#result ??= { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') };
    return this.#result;
  }

  // one rejection slot instead of Promise.race with a promise that lives as long as the body: that would keep a
  // reaction for every chunk ever read
  async #read(): Promise<IteratorResult<Uint8Array>> {
    this.#stopped.signal.throwIfAborted();
    this.#reading = true;
    try {
      return await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        this.#rejectRead = reject;
        this.#iterator.next().then(
          (step) => {
            this.#reading = false;
            resolve(step);
          },
          (error: unknown) => {
            this.#reading = false;
            this.#ended = true;
            reject(error);
          },
        );
      });
    } catch (error) {
      this.stop(error);
      throw error;
    } finally {
      this.#rejectRead = undefined;
    }
  }
}

function ignore(): void {}
