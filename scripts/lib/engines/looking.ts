import type { Stage } from '../pipeline/chain.ts';
import type { DatabaseSource } from '../source.ts';

/** What a statement gave. */
export interface Answer {
  readonly columns: readonly { readonly name: string; readonly kind: 'text' | 'number' | 'boolean' | 'json' }[];
  /** Values as the server writes them. Rejects with what the server says when the statement fails half way. */
  readonly rows: AsyncIterable<readonly (string | null)[]>;
}

/** How somebody looks into a database of a throwaway server. */
export interface Looking {
  /**
   * The client program of the server, with a prompt; or to run this text and to print what comes of it.
   * @throws OperatorError TOOL_MISSING
   */
  client(place: DatabaseSource, sql?: string): Promise<Stage>;
  /** Runs one statement. @throws OperatorError QUERY_FAILED with the server's words */
  ask(place: DatabaseSource, sql: string, signal: AbortSignal): Promise<Answer>;
}
