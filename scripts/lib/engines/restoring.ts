import type { DumpFormat } from '../formats.ts';
import type { Stage } from '../pipeline/chain.ts';
import type { MeterProgram } from '../pipeline/meter.ts';
import type { Dialect } from '../proof/reading.ts';
import type { Contents, DerivedSum, Manifest, ObjectMember } from '../repository/manifest.ts';

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
  /** Is told when it is in. */
  readonly onLoaded?: (() => void) | undefined;
  /** Aborts, with the error as its reason, when what is being loaded is not needed any more. */
  readonly doom?: AbortSignal | undefined;
}

/** Loads that may run in parallel, and how many at a time. */
export interface LoadStep {
  readonly jobs: number;
  readonly loads: readonly Load[];
  /** Is done by each of the `jobs` that no load is left for, while others may still load; ends by itself, or with the signal. */
  readonly meanwhile?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Is done when all of them are. */
  readonly after?: (() => Promise<void>) | undefined;
}

/** How what was restored is read again, to be held against what was dumped. */
export interface ProofSide {
  readonly dialect: Dialect;
  /** Of a restore that picks something out, the tables that are wanted: of the others nothing but their definitions is compared. */
  readonly picks?: (table: string) => boolean;
  /** Of such a restore, tables that are not wanted and have rows all the same: they come with their extension. */
  readonly brings?: (table: string) => boolean;
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
