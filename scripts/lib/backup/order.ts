import type { Kind } from '../repository/object-key.ts';
import type { Repository } from '../repository/repository.ts';
import type { Source } from '../source.ts';

/** What is to be dumped, where to, and as what. */
export interface DumpOrder {
  readonly repository: Repository;
  readonly source: Source;
  readonly kind: Kind;
  /** Dump this database, which a restore has kept, instead of the source's own. */
  readonly kept?: string;
  readonly signal: AbortSignal;
}
