import type { Contents, Manifest, SourceFacts } from '../repository/manifest.ts';
import type { DatabaseSource, Source } from '../source.ts';
import type { DumpOptions, DumpSession } from './dumping.ts';
import type { Looking } from './looking.ts';
import type { RestoreOptions, RestoreSession } from './restoring.ts';

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
