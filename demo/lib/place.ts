import { OperatorError } from '../../scripts/lib/errors.ts';
import { runProgram, type Stage } from '../../scripts/lib/pipeline/chain.ts';
import { stageError } from '../../scripts/lib/pipeline/result.ts';

/** The database of the story. */
export const DATABASE = 'shop';

/** Where the story happens: a real PostgreSQL and a real storage, brought up for it, and gone after it. */
export interface Place {
  /** What was brought up, as sentences. */
  readonly about: readonly string[];
  /** The log of the server is taken too. */
  readonly takesLog: boolean;
  /** What was there for the story and is gone after `stop`. */
  readonly removed: string;
  /** What this place cannot show, and why. */
  readonly leftOut: readonly string[];
  /** Runs a verb as its user would, and returns everything that it printed. */
  verb(name: string, args?: readonly string[]): Promise<Printed>;
  /** Runs SQL through psql, which stops at the first error, and returns what it printed. */
  psql(database: string, sql: string, options?: readonly string[]): Promise<string>;
  /** Loads a backup into a new database with standard programs alone; absent where there are none to fetch it. */
  readonly byHand?: (key: string, database: string) => Promise<void>;
  /**
   * Takes everything down again, also after an interrupt, and makes sure that nothing is left.
   * @throws OperatorError naming what is
   */
  stop(): Promise<void>;
}

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

export const PSQL_OPTIONS = ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1'] as const;

/** @throws OperatorError with what the program said, unless it exited with 0 */
export async function run(stage: Stage, options: { input?: string; signal?: AbortSignal } = {}): Promise<Printed> {
  const result = await runProgram(stage, options);
  // the one who stopped us knows better why than the program that was ended
  options.signal?.throwIfAborted();
  if (result.exitCode !== 0) throw stageError(result);
  return result;
}

/** A failure of the story itself: something is not as it was claimed. */
export function notShown(what: string, detail: string): OperatorError {
  return new OperatorError('RESTORE_FAILED', `the demonstration did not show that ${what}: ${detail}`, {
    hint: 'This is a defect, or something on this machine disturbed it. Please report it with the whole output.',
  });
}
