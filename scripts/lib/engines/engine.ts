import type { DumpFormat } from '../formats.ts';
import type { Stage } from '../pipeline/chain.ts';
import type { MeterProgram } from '../pipeline/meter.ts';
import type { StageResult } from '../pipeline/result.ts';
import type { Dialect } from '../proof/reading.ts';
import type {
  Contents,
  DerivedSum,
  Manifest,
  ObjectMember,
  SourceFacts,
  StoredObjectFacts,
} from '../repository/manifest.ts';
import type { DatabaseSource, Source } from '../source.ts';
import type { Looking } from './looking.ts';

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

/** How one object of a backup is loaded. */
export interface Load {
  /** Which of a folder's objects; undefined for a backup of a single one. */
  readonly part?: string;
  /** Of the object, this member alone. */
  readonly member?: ObjectMember | undefined;
  /**
   * The program that reads it from its standard input, nothing of which counts until it exits with 0; or what is done
   * with its text, for what is small: called when all of it has been read and is what was stored.
   */
  readonly into: Stage | ((text: string) => Promise<void>);
  /** Instead of the common meter: a program that reports what that does, and changes what its reader would not take. */
  readonly meter?: MeterProgram | undefined;
  /** In front of the meter and of what sees the dump pass: hands on what is wanted of it. */
  readonly before?: readonly Stage[] | undefined;
  /** Between what has seen the dump pass and `into`. */
  readonly through?: readonly Stage[] | undefined;
  /** Throws when the end of the dump, as read, is not the end that a whole dump has. */
  verifyEnd(tail: string): void;
  /** Aborts, with the error as its reason, when what is being loaded is not needed any more. */
  readonly doom?: AbortSignal | undefined;
}

/** Loads that may run in parallel, and how many at a time. */
export interface LoadStep {
  readonly jobs: number;
  readonly loads: readonly Load[];
  /** Is done when all of them are. */
  readonly after?: (() => Promise<void>) | undefined;
}

/** How what was restored is read again, to be held against what was dumped. */
export interface ProofSide {
  readonly dialect: Dialect;
  /** Of a restore that picks something out, the tables that are wanted: of the others nothing but their definitions is compared. */
  readonly picks?: (table: string) => boolean;
  /** What passes into the staging place is text, whatever the format of the backup. */
  readonly passesText?: boolean;
  /** Names that stand in a dump of what was restored where others stood in the backup. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** See ReadingOptions.openEnd. */
  readonly openEnd?: string;
  /** Makes text of a dump in this format; undefined when it is text already. */
  through(format: DumpFormat): Promise<Stage | undefined>;
  /** Writes what is in the staging place, as a dump of it would be. */
  read(): Promise<Stage>;
  /** How to read it part by part, after a reading that ended so; undefined where that would end so, too. */
  readInParts?(error: unknown): Promise<{ readonly stages: readonly Stage[]; close(): Promise<void> } | undefined>;
  /** Of what kind the server is that was restored on: definitions of another may be worded otherwise. */
  readonly serverVersion: string;
  /** What ours would write of this server beside a dump of the staging place: see DumpSession.globals. */
  globals?(): Promise<string | undefined>;
  /** What of the restored place is in no dump of it, summed as it was at the backup: those that were summed there. */
  derived?(wanted: readonly DerivedSum[]): Promise<readonly DerivedSum[]>;
  /** Views and events that the restore could not make here, with a word, for a reason that is none of the backup's. */
  leftOut?(): readonly { readonly kind: string; readonly name: string; readonly why: string }[];
  /** Why an object's definition is not as it was dumped, where that was asked for; the object as a dump calls it. */
  excused?(object: string): string | undefined;
  /** Tables whose storage engine this server lacks, and which that is: they were made in another. Known once they are loaded. */
  otherEngines?(): Readonly<Record<string, string>>;
  /** Roles that this server had before the restore made those that it lacked. */
  readonly rolesBefore?: readonly string[];
}

/** A restore under way: a staging database (or folder) exists beside the live one, which is untouched. */
export interface RestoreSession {
  /** What is being filled. */
  readonly staging: string;
  /** The staging place was there before and belongs to the operator: it is filled only once the dump has been read whole. */
  readonly isForeign: boolean;
  /**
   * How a backup is loaded, one step after the other.
   * @param parts the objects of a folder, in the order of their names; none for a backup of a single object
   * @param members of a single object, where they can be read each by itself
   */
  plan(format: DumpFormat, parts: readonly string[], members?: readonly ObjectMember[]): Promise<readonly LoadStep[]>;
  /** Undefined where the contents prove everything, as the digest of a tree does. */
  readonly proof?: ProofSide;
  /** Of a restore that picks something out: see RestoreOptions.pick. */
  readonly picked?: Picked;
  /** Sentences about what was left out, as RestoreOptions.withoutBroken asks for; known once the place is ready for use. */
  missing?(): readonly string[];
  /** Counts what has been restored. */
  contents(): Promise<Contents>;
  /**
   * Makes the staging place ready for use: statistics; owner, grants and settings of the live one, or of the backup.
   * @returns a sentence for each of these that could not be given, and without which the restore is not whole
   */
  prepare(): Promise<readonly string[]>;
  /**
   * The point of no return: puts the staging place where the live one was, at once. Returns the kept one's name, and what
   * could not be given to the last, as `prepare` does.
   */
  commit(): Promise<{ database: string; previousDatabase: string | null; ungiven?: readonly string[] }>;
  /** Undoes everything; the live place is as it was. Does nothing after commit. */
  discard(): Promise<void>;
  /** Lets go of the lock and the connections. */
  close(): Promise<void>;
}

/** What is picked out of a backup. */
export interface Picked {
  /** Whether this table, as the manifest names it, is among it: partitions go with their table. Known once it is loaded. */
  holds(table: string): boolean;
  /** For each table, what copies its rows from there into the live database; to be asked for after the commit. */
  copying(database: string): Promise<readonly string[]>;
}

/** What came of an undo. */
export interface UndoResult {
  readonly database: string;
  /** The database that is live again, under the name that it was kept under. */
  readonly restoredFrom: string;
  /** Where the database that was live until now is kept. */
  readonly keptAs: string;
}

/** Something that a restore or an undo keeps, and that `cleanup` removes in time. */
export interface KeptDatabase {
  readonly name: string;
  /** `previous`: replaced by a restore; `undone`: replaced by an undo; `picked`: picked out of a backup, to be copied from. */
  readonly role: 'previous' | 'undone' | 'picked';
  readonly since: Date;
  readonly sizeBytes: number;
}

/** A run that holds a lock of a source's: of a database's on whatever machine, of a folder's in this container. */
export interface RunUnderWay {
  readonly purpose: 'backup' | 'restore';
  /** For how long, by the source's own clock. */
  readonly forMs: number;
}

/** What is beside a source besides its contents. */
export interface Beside {
  /** See Engine.kept. */
  readonly kept: readonly KeptDatabase[];
  /** The runs that hold its locks now; none where that cannot be seen. */
  readonly underWay: readonly RunUnderWay[];
}

/** One thing that a drill looked at, and what it saw. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** A throwaway server, reachable by nobody else, on which a restore is rehearsed. */
export interface Rehearsal {
  /** The source as it would be on the throwaway server: beginRestore takes it. */
  readonly source: Source;
  /** Looks at what was restored into `staging`, beyond the contents: constraints, indexes, extensions. */
  inspect(staging: string): Promise<Check[]>;
  /**
   * Runs one query of the operator's, which may not write, and returns the first rows that it gives.
   * Undefined where there is nothing to query.
   * @throws OperatorError whose message says what is wrong with the query
   */
  query?(staging: string, sql: string): Promise<Record<string, unknown>[]>;
  /** Removes the server and everything of it. */
  stop(): Promise<void>;
}

/** What a dump begins with. */
export interface DumpOptions {
  /** Dump this database or folder, which a restore has kept, as a backup of the source; waits for the lock. */
  readonly kept?: string | undefined;
  readonly signal: AbortSignal;
}

/** What a restore begins with. */
export interface RestoreOptions {
  /** A database or folder beside the live one, in whose place nothing is put. */
  readonly to?: string;
  readonly manifest?: Manifest;
  /**
   * The tables that are wanted, as a manifest names them; of a folder, the paths. What else the backup holds is not restored, and
   * nothing is put in the place of anything: it goes beside, under a name of its own or that of `to`.
   */
  readonly pick?: readonly string[];
  /**
   * Whether a backup of the source came from this server, as it tells itself from every other. A live database with data in it is
   * not replaced on a server that none came from. Without it nobody asks.
   */
  readonly isKnownServer?: (systemIdentifier: string) => Promise<boolean>;
  /** What the backup brings for the server: roles, accounts. */
  readonly globals?: string;
  /** On a rehearsal's server, which has neither the source's keys nor its neighbours. */
  readonly rehearses?: boolean;
  /** Load with the search path that the database has, for functions that need it. Of PostgreSQL alone. */
  readonly ownSearchPath?: boolean;
  /**
   * Go on without a constraint that rows of the dump break, and without an index, a view or a function that its own names or
   * rows do not let be made. Never without rows.
   */
  readonly withoutBroken?: boolean;
  readonly signal: AbortSignal;
}

/** Which server it is. */
export interface ServerIdentity {
  /** What tells it from every other; undefined where it cannot be asked. */
  readonly id: string | undefined;
  readonly version: string;
}

/** A server that somebody keeps for rehearsals, and by what those are known that it may not be. */
export interface BorrowedServer {
  readonly place: DatabaseSource;
  /** Where the servers are that are backed up. */
  readonly live: readonly { readonly host: string; readonly port: number }[];
  /** What tells them from every other, each with a source that lies there. */
  readonly identifiers: ReadonlyMap<string, string>;
}

/** What a rehearsal begins with. */
export interface RehearsalOptions {
  readonly directory: string;
  readonly manifest: Manifest | undefined;
  /** The backup brings what its server needs; otherwise the rehearsal makes roles of the right names. */
  readonly hasGlobals: boolean;
  readonly storedBytes: number;
  /** Of a server of this version, in place of the one that was dumped: `18`, or `11.8`. */
  readonly version?: string;
  /** A server to rehearse on in place of one of our own. Of PostgreSQL alone. */
  readonly borrowed?: BorrowedServer | undefined;
  /** For somebody to look into: nothing of it has to last, and a terminal's Ctrl-C is not for the server. */
  readonly isForLooking?: boolean;
  readonly signal: AbortSignal;
}

/** One kind of source. Every engine passes the same tests. */
export interface Engine {
  /** The sources that a configured one stands for: itself, or each database of a server (`/*`). */
  expand(source: Source, signal: AbortSignal): Promise<Source[]>;
  /**
   * Locks the source against a second backup of it and fixes the state to dump.
   * @throws OperatorError LOCKED, SOURCE_CONNECT, SOURCE_VERSION, TOOL_MISSING
   */
  beginDump(source: Source, options: DumpOptions): Promise<DumpSession>;
  /** How to dump the source after all, and why so, where the error says that this way is not open now. */
  another?(source: Source, error: unknown): { source: Source; why: string } | undefined;
  /**
   * Locks the source against a second restore, removes what a killed one left, and makes the staging place.
   * @param options.to restore beside the live database under this name, and swap nothing
   * @param options.globals as DumpSession.globals had it: makes what the server lacks, changes nothing that it has
   */
  beginRestore(source: Source, options: RestoreOptions): Promise<RestoreSession>;
  /** Swaps the database that the last restore replaced back. */
  undo(source: Source, signal: AbortSignal): Promise<UndoResult>;
  /** What restores and undos keep beside the source, the newest first. */
  kept(source: Source, signal: AbortSignal): Promise<KeptDatabase[]>;
  /**
   * What is beside each of these sources, in their order. They lie on one server, and one session of the first one's user asks
   * it, however many they are.
   */
  beside(sources: readonly Source[], signal: AbortSignal): Promise<Beside[]>;
  /** Removes of it what is older than `before`, in one role or in all of them, and returns that. */
  dropKept(source: Source, before: Date, signal: AbortSignal, role?: KeptDatabase['role']): Promise<KeptDatabase[]>;
  /**
   * Starts a throwaway server of the version that was dumped, in a folder of its own under `directory`.
   * @throws OperatorError TOOL_MISSING without such a server, NO_SPACE when the disk is too small for the restore
   */
  rehearse(source: Source, options: RehearsalOptions): Promise<Rehearsal>;
  /** Which server the source lies on; undefined where there is none. @throws OperatorError SOURCE_CONNECT */
  identify?(source: Source, signal: AbortSignal): Promise<ServerIdentity>;
  /** Undefined where there is no server to ask. */
  readonly looking?: Looking;
  /** What a server of a newer version says of a database that was restored on it, beyond having taken it; sentences. */
  adviceFor?(
    place: Source,
    staging: string,
    of: { manifest: Manifest | undefined; globals: string | undefined; to: string; signal: AbortSignal },
  ): Promise<readonly string[]>;
  /** What the live source holds now, as a manifest would have it, counted exactly; undefined where that is not built. */
  survey?(source: Source, signal: AbortSignal): Promise<Contents & Pick<SourceFacts, 'outline'>>;
}
