import { OperatorError } from '../errors.ts';
import { type MomentTarget, type MomentWords, targetOf } from '../moment/target.ts';
import { timeOf } from '../terminal/read-time.ts';

/** What is to be looked into, and how. */
export interface LookRequest {
  /** A backup's key, or `latest`; undefined for a moment of the log. */
  readonly wanted?: string;
  /** With `latest`: the newest at or before it. */
  readonly at?: Date;
  readonly target?: MomentTarget;
  readonly source?: string;
  /** What is to be asked; undefined for a prompt. */
  readonly query?: string;
  /** How an answer is written: as the client program does, or as a document, or as comma-separated values. */
  readonly as: 'client' | 'json' | 'csv';
}

/** The options of the verb, as they were typed. */
export interface LookWords extends MomentWords {
  readonly source?: string | undefined;
  readonly query?: string | undefined;
  readonly csv?: boolean | undefined;
}

/**
 * What the operator's words ask for.
 * @param hasTerminal a prompt can be shown, and typed at
 * @throws OperatorError USAGE for words that do not go together
 */
export function readLookRequest(
  options: LookWords,
  words: readonly string[],
  { json, hasTerminal }: { json: boolean; hasTerminal: boolean },
): LookRequest {
  const { source, query, csv = false, at } = options;
  const [wanted, ...others] = words;
  if (others.length > 0) throw usage(`one backup at a time: ${words.join(' ')}`);
  if (json && csv) throw usage('--json or --csv, not both');
  if (query !== undefined && query.trim() === '') throw usage('--query is empty');
  if (query === undefined && (json || csv)) throw usage(`--${json ? 'json' : 'csv'} goes with --query`);
  if (query === undefined && !hasTerminal)
    throw usage("there is no terminal for a prompt: ask with --query='select …', or run this at a terminal");
  const how = {
    as: json ? ('json' as const) : csv ? ('csv' as const) : ('client' as const),
    ...(source === undefined ? {} : { source }),
    ...(query === undefined ? {} : { query }),
  };
  if (wanted === undefined || wanted === '') {
    const target = targetOf(options);
    if (target === undefined)
      throw usage('what is to be looked into? Give a key or latest, or a moment: --at, --mark, --xid or --lsn');
    return { target, ...how };
  }
  if ([options.mark, options.xid, options.lsn].some((word) => word !== undefined))
    throw usage('--mark, --xid and --lsn mean a moment of the log, and go with no backup');
  if (at !== undefined && wanted !== 'latest') throw usage('--at goes with latest, or with no backup');
  return { wanted, ...(at === undefined ? {} : { at: timeOf(at) }), ...how };
}

function usage(message: string): OperatorError {
  return new OperatorError('USAGE', message, { hint: 'See --help. Nothing was started.' });
}
