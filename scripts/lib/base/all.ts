import type { Config } from '../config/config.ts';
import { EXIT, messageOf, OperatorError } from '../errors.ts';
import type { Report } from '../notify/reporting.ts';
import { formatBytes } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { type BaseResult, takeBase } from './base.ts';

/** What came of one server. One that failed is data: the run goes on. */
export type ServerResult = Partial<BaseResult> & {
  readonly server: string;
  readonly ok: boolean;
  readonly error?: string;
  /** Another one of it is being taken. */
  readonly isLocked?: boolean;
};

/**
 * Takes a base of each server, one after the other.
 * @param names the servers wanted; none means all
 * @throws OperatorError USAGE for a name that is not configured
 */
export async function baseAll(
  config: Config,
  repository: Repository,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ServerResult[]> {
  const known = config.servers.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new OperatorError('USAGE', `there is no server ${JSON.stringify(name)} whose log is taken`, {
      hint: known.length === 0 ? 'PITR is off: set PITR=true in .env.' : `There are: ${known.join(', ')}.`,
    });
  }
  const results: ServerResult[] = [];
  for (const server of config.servers.filter(({ name }) => names.length === 0 || names.includes(name))) {
    try {
      results.push({ ok: true, ...(await takeBase({ config, repository, server, chain: undefined, signal })) });
    } catch (error) {
      signal.throwIfAborted();
      const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
      const said = `${messageOf(error)}${hint}`;
      log.error(`the base of ${server.name} failed: ${said}`);
      const isLocked = error instanceof OperatorError && error.exitCode === EXIT.locked;
      results.push({ server: server.name, ok: false, error: said, isLocked });
    }
  }
  return results;
}

/** What to tell people. */
export function reportOf(results: readonly ServerResult[]): Report {
  const items = results.map(({ server, ok, key, sizeBytes, chain, error }) => {
    if (!ok)
      return {
        source: server,
        what: error ?? 'failed',
        next: `${command('base')}, once the cause is fixed. Earlier bases stay.`,
      };
    const alone = chain === null ? '; no log goes on from it' : '';
    return { source: server, what: `base taken: ${key}, ${formatBytes(sizeBytes ?? 0)}${alone}` };
  });
  const failed = results.some(({ ok }) => !ok);
  return { outcome: failed ? 'failure' : results.some(({ chain }) => chain === null) ? 'warning' : 'success', items };
}
