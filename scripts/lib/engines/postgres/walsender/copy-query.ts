import type pg from 'pg';

/** One thing that the server sends in answer to a replication command. */
export type Answer =
  /** A row of a result set, as text; a field that is null is null. */
  | { readonly kind: 'row'; readonly fields: Readonly<Record<string, string | null>> }
  /** The bytes of one message of the stream. */
  | { readonly kind: 'data'; readonly bytes: Buffer };

interface RowDescription {
  readonly fields: readonly { readonly name: string }[];
}

/** What of the driver's connection is used, and its types leave out. */
export interface CopyConnection {
  readonly stream: { pause(): void; resume(): void };
  query(text: string): void;
  once(event: 'copyDone' | 'replicationStart', listener: () => void): void;
  removeListener(event: 'copyDone' | 'replicationStart', listener: () => void): void;
  sendCopyFromChunk(bytes: Buffer): void;
  endCopyFrom(): void;
}

/** Beyond this, the socket is not read until who iterates has caught up. */
const MOST_QUEUED_BYTES = 1 << 20;

/**
 * A replication command whose answer is a stream: what the driver calls a query, and an iterable of what the server sends, in
 * order. The socket is paused while nobody takes what has come. Ends when the server has ended the command; throws what it threw.
 */
export class CopyQuery implements AsyncIterable<Answer> {
  readonly #text: string;
  #connection: CopyConnection | undefined;
  #names: readonly string[] = [];
  readonly #queue: Answer[] = [];
  #queuedBytes = 0;
  #isPaused = false;
  #error: unknown;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #copyDone = () => {
    // that of a stream in both directions waits for ours
    if (this.isDuplex) this.#connection?.endCopyFrom();
  };
  readonly #started = () => {
    this.isDuplex = true;
  };
  /** Whether the server takes messages, too. */
  isDuplex = false;
  /** Called as soon as a message has come, before it is taken: for what may not wait. */
  onMessage: ((bytes: Buffer) => void) | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Sends a message; nothing happens when the stream is over. */
  send(bytes: Buffer): void {
    if (!this.#ended) this.#connection?.sendCopyFromChunk(bytes);
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection as unknown as CopyConnection;
    this.#connection.once('replicationStart', this.#started);
    this.#connection.once('copyDone', this.#copyDone);
    this.#connection.query(this.#text);
  }

  handleRowDescription({ fields }: RowDescription): void {
    this.#names = fields.map(({ name }) => name);
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    this.#push({ kind: 'row', fields: Object.fromEntries(this.#names.map((name, i) => [name, fields[i] ?? null])) });
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.onMessage?.(chunk);
    // the driver fills its buffer again
    this.#push({ kind: 'data', bytes: Buffer.from(chunk) });
  }

  handleCommandComplete(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}

  handleReadyForQuery(): void {
    this.#finish(undefined);
  }

  handleError(error: unknown): void {
    this.#finish(error);
  }

  #finish(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#connection?.removeListener('copyDone', this.#copyDone);
    this.#connection?.removeListener('replicationStart', this.#started);
    this.#resume();
    this.#wake?.();
  }

  #push(answer: Answer): void {
    this.#queue.push(answer);
    if (answer.kind === 'data') this.#queuedBytes += answer.bytes.length;
    if (this.#queuedBytes > MOST_QUEUED_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      this.#connection?.stream.pause();
    }
    this.#wake?.();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#connection?.stream.resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Answer> {
    for (;;) {
      while (this.#queue.length > 0) {
        const taken = this.#queue.splice(0);
        this.#queuedBytes = 0;
        yield* taken;
      }
      this.#resume();
      if (this.#ended) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
