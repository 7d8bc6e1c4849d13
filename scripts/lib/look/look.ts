import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { within, withTimeout } from '../deadline.ts';
import { engineOf } from '../engines/index.ts';
import type { Looking } from '../engines/looking.ts';
import { OperatorError } from '../errors.ts';
import { childEnvironment } from '../machine/child-environment.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { formatDuration } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import type { DatabaseSource } from '../source.ts';
import { runInForeground } from '../terminal/foreground.ts';
import { log } from '../terminal/log.ts';
import { type AnsweredRow, asObjects, distinctNames, writeCsv } from './answer.ts';
import { bringUpBackup } from './backup.ts';
import { amongLooks } from './leftovers.ts';
import { bringUpMoment } from './moment.ts';
import type { BroughtUp } from './order.ts';
import type { LookRequest } from './request.ts';

/** What `--query --json` prints. */
export interface LookResult {
  readonly key: string;
  readonly source: string;
  readonly database: string;
  /** The names of the columns, as the rows have them. */
  readonly columns: readonly string[];
  readonly rows: readonly AnsweredRow[];
}

/**
 * Brings a backup, or a moment of a server's log, up on a throwaway server, and gives a prompt there or runs a query. The live
 * servers are not connected to. The server is gone when this ends, however it ends.
 *
 * @returns what was asked for as a document; undefined when it has been printed
 * @throws OperatorError QUERY_FAILED, TIMEOUT, and what a restore throws
 */
export async function look(
  config: Config,
  repository: Repository,
  request: LookRequest,
  outer: AbortSignal,
): Promise<LookResult | undefined> {
  const directory = drillDirectory(config.values.DRILL_DIR);
  if (!existsSync(directory))
    throw new OperatorError('CONFIG', `DRILL_DIR ${directory} does not exist`, {
      hint: 'Make it, or point DRILL_DIR elsewhere.',
    });
  const limit = { variable: 'LOOK_TIMEOUT', ms: config.values.LOOK_TIMEOUT };
  return amongLooks(directory, () =>
    withTimeout(outer, limit, 'the look', async (signal) => {
      const started = Date.now();
      const order = { config, repository, directory, signal };
      const up =
        request.target === undefined
          ? await bringUpBackup(order, request)
          : await bringUpMoment(order, request, request.target);
      try {
        log.info(`${up.what} is up, in ${formatDuration(Date.now() - started)}`);
        return await show(up, request, signal);
      } finally {
        await up.stop();
      }
    }),
  );
}

async function show(up: BroughtUp, { query, as }: LookRequest, signal: AbortSignal): Promise<LookResult | undefined> {
  const looking = await lookingAt(up.place);
  if (query !== undefined && as !== 'client') {
    // ended with its signal, whatever a driver makes of that
    return within(signal, { endingMs: 0 }, async () => {
      const answer = await looking.ask(up.place, query, signal);
      if (as === 'csv') return void (await writeCsv(answer));
      const { key, source, place } = up;
      const rows = await asObjects(answer);
      return { key, source, database: place.database, columns: distinctNames(answer.columns), rows };
    });
  }
  const isPrompt = query === undefined;
  if (isPrompt)
    log.info(
      'a throwaway server: nothing that you do here reaches the live one, and all of it is gone when you leave (\\q)',
    );
  const { command, args, env = {} } = await looking.client(up.place, query);
  const code = await runInForeground({ command, args, env: childEnvironment(env) }, { isPrompt, signal });
  if (isPrompt) log.info('left, and removed');
  else if (code !== 0)
    throw new OperatorError('QUERY_FAILED', 'the query failed', { hint: "The server's message is above." });
  return undefined;
}

async function lookingAt({ engine }: DatabaseSource): Promise<Looking> {
  const { looking } = await engineOf(engine);
  if (looking) return looking;
  throw new OperatorError('USAGE', `there is nothing to ask in a backup of ${engine}`);
}
