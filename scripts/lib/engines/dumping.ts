import type { Stage } from '../pipeline/chain.ts';
import type { MeterProgram } from '../pipeline/meter.ts';
import type { StageResult } from '../pipeline/result.ts';
import type { Contents, ObjectMember, SourceFacts, StoredObjectFacts } from '../repository/manifest.ts';

/** One of the streams that a dump is made of, each of which becomes an object. */
export interface DumpStream {
  /** Which of a folder's objects it becomes: `0001-data`. Undefined for a dump of a single object. */
  readonly part?: string;
  /** The tables that it has rows of, as the contents name them, where it has nothing else. */
  readonly tables?: readonly string[] | undefined;
  /** An upper estimate of its size as it will be stored. */
  readonly expectedBytes: number;
  /** Writes to the standard input of what follows. */
  readonly feed?: Stage;
  /** Writes it to its standard output. */
  readonly stage: Stage;
  /** In the place of the common meter: a program that reports what that does, and more. See meterStage. */
  readonly meter?: MeterProgram;
  /** Where it can be stored in members. */
  readonly members?: MemberWriting;
  /** Called after every process exited with 0, with the stream's last kilobyte. Throws when it is not complete. */
  verifyEnd(tail: string, results: readonly StageResult[]): void;
}

/** How a stream is written in members, each compressed by itself: see ObjectMember. */
export interface MemberWriting {
  /** For its meter, after its own: it then compresses by the command that follows, and writes frames. See readFrames. */
  readonly args: readonly string[];
  /** What the meter saw of each, once it has ended; undefined where they could not be loaded each by itself. */
  seen(): SeenMembers | undefined;
}

/** What is known of an object's members before they are compressed. */
export interface SeenMembers extends Pick<StoredObjectFacts, 'settings'> {
  readonly members: readonly Omit<ObjectMember, 'offset' | 'sizeBytes' | 'sha256'>[];
}

/** A dump about to be taken: the source is locked, its state is fixed, nothing has been read yet. */
export interface DumpSession {
  /** The moment whose state is dumped, by the source's own clock, to the second. The key's time. */
  readonly createdAt: Date;
  readonly facts: SourceFacts;
  /** All of one state. They are begun in this order; the last one is stored when all others are. */
  readonly streams: readonly DumpStream[];
  /** How many of them run at a time. */
  readonly jobs: number;
  /** What was left to the engine to choose, what it chose, and why: for the manifest. */
  readonly chosen?: string;
  /**
   * What the dump holds, counted in the very state that is dumped, beside the dump.
   * @param dumpEnded settles when the dump has been written, with how the processes of each stream ended; what is
   *   outside the snapshot is read again after it
   */
  contents(dumpEnded: Promise<readonly (readonly StageResult[])[]>): Promise<Contents>;
  /** What the database needs of its server and no dump of it holds, as SQL; undefined when the engine has none. */
  globals(): Promise<string | undefined>;
  /** What a failure of the dump means, where the engine knows more than the program that failed has said. */
  explain?(error: unknown): unknown;
  /**
   * Lets go of the source. The next run of it does not begin before the second of createdAt has passed, and so has a key of
   * its own.
   */
  close(): Promise<void>;
}

/** What a dump begins with. */
export interface DumpOptions {
  /** Dump this database or folder, which a restore has kept, as a backup of the source; waits for the lock. */
  readonly kept?: string | undefined;
  readonly signal: AbortSignal;
}
