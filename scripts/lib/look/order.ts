import type { Config } from '../config/config.ts';
import type { Repository } from '../repository/repository.ts';
import type { DatabaseSource } from '../source.ts';

/** What bringing something up takes. */
export interface LookOrder {
  readonly config: Config;
  readonly repository: Repository;
  /** DRILL_DIR, where throwaway servers have their folders. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** What is looked into, on a throwaway server that nobody else reaches. */
export interface BroughtUp {
  /** The backup, or the base of the moment. */
  readonly key: string;
  /** Of which source. */
  readonly source: string;
  /** The database there. */
  readonly place: DatabaseSource;
  /** What messages call it: a key and its time, a database and a moment. */
  readonly what: string;
  /** Removes the server and all that is in it. */
  stop(): Promise<void>;
}
