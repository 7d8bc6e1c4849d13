/**
 * Exit codes of every verb. An operator's monitoring relies on them.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, stale: 3, locked: 4 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What went wrong, as a name that tests and `--json` readers can rely on, and the exit code that it means. */
const CODES = {
  USAGE: EXIT.usage,
  CONFIG: EXIT.usage,
  LOCKED: EXIT.locked,
  INTERRUPTED: EXIT.failed,
  TIMEOUT: EXIT.failed,
  SOURCE_CONNECT: EXIT.failed,
  SOURCE_VERSION: EXIT.failed,
  SOURCE_BUSY: EXIT.failed,
  TOOL_MISSING: EXIT.failed,
  PROCESS_FAILED: EXIT.failed,
  DUMP_INCOMPLETE: EXIT.failed,
  STORAGE: EXIT.failed,
  STORAGE_DENIED: EXIT.failed,
  KEY_EXISTS: EXIT.failed,
  NO_SUCH_BACKUP: EXIT.failed,
  NO_SUCH_TABLE: EXIT.failed,
  NO_RANGES: EXIT.failed,
  BACKUP_DAMAGED: EXIT.failed,
  RESTORE_REFUSED: EXIT.failed,
  RESTORE_FAILED: EXIT.failed,
  CLEANUP_FAILED: EXIT.failed,
  NO_SPACE: EXIT.failed,
  DRILL_FAILED: EXIT.failed,
  QUERY_FAILED: EXIT.failed,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof CODES;

/**
 * A failure that the operator can act on: what happened to which thing, and what to do next.
 * Anything else that is thrown is a defect of this program and is printed with its stack.
 */
export class OperatorError extends Error {
  readonly code: ErrorCode;
  /** The next step, as a sentence; empty when there is none to give. */
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OperatorError';
    this.code = code;
    this.hint = options.hint ?? '';
  }

  get exitCode(): ExitCode {
    return CODES[this.code];
  }
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

/** The `code` that node, the database drivers and the AWS SDK put on their errors, if there is one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  return typeof name === 'string' && name !== 'Error' ? name : undefined;
}
