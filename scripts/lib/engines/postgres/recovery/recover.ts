import { chownSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import { bash } from '../../../pipeline/bash.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import { log } from '../../../terminal/log.ts';
import { guarded, startInFolder } from '../../database/throwaway.ts';
import { CALLED_AROUND } from '../server/called-around.ts';
import { hasLibrary } from '../server/like-source.ts';
import { buildLocales, missingLocales } from '../server/locales.ts';
import { besideProgram, type Program } from '../server/programs.ts';
import { serverProgram } from '../server/throwaway-server.ts';
import { connectAsAny } from './connect.ts';
import { ending, endOfReplay, isChatter, shutDown } from './ended.ts';
import type { MadeTablespace } from './made-tablespaces.ts';
import { prepareFiles } from './prepare-files.ts';
import { type RecoverySaid, takeIn } from './server-log.ts';
import { readControlData, recoverySettings } from './settings.ts';
import { type LogFeed, openSpool, replaceFile, type Spool } from './spool.ts';
import type { RecoveryTarget } from './target.ts';
import type { BaseArchive } from './unpack.ts';

const SERVE = fileURLToPath(new URL('./serve.sh', import.meta.url));

/** What is to be recovered, how far, and where. */
export interface RecoveryOrder {
  /** The source's major version. */
  readonly major: number;
  readonly base: readonly BaseArchive[];
  readonly log: LogFeed;
  /** On which the target lies. */
  readonly timeline: number;
  /** Undefined for the end of the log. */
  readonly target?: RecoveryTarget;
  /** The log reaches the target: where no commit comes after it, its end is the very state that is asked for. */
  readonly endCounts: boolean;
  /** What the folder begins with: see folderPrefix. */
  readonly prefix: string;
  /** Superusers of the source, the likeliest first. */
  readonly users: readonly string[];
  /** Locales that the source's databases have. */
  readonly locales: readonly string[];
  /** Settings by which the source reads data. */
  readonly reading?: Readonly<Record<string, string>>;
  /** The files are to stay: written as a real server writes. */
  readonly durable?: boolean;
  /** Whom the files are to belong to, where this is root and it is not the account that servers here run as. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** For somebody who looks into it at a terminal, whose Ctrl-C is not to reach the server. */
  readonly isForLooking?: boolean;
  readonly signal: AbortSignal;
}

/** A server that was recovered, promoted, and that nobody else reaches. */
export interface Recovered {
  readonly directory: string;
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly program: Program;
  /** Where the last record that was replayed ends: `0/8D0007D0`. */
  readonly reachedLsn: string;
  /** It went to the end of the log. */
  readonly isEnd: boolean;
  readonly lastIn: RecoverySaid['lastIn'];
  readonly firstOut: RecoverySaid['firstOut'];
  /** Tablespaces that the log has made: they lie in the data folder, and not where they do on the source. */
  readonly madeTablespaces: readonly MadeTablespace[];
  /** How it is run as, for programs that work on its files. */
  readonly as: Partial<Stage>;
  /** Shuts the server down cleanly; its files stay until `stop`. */
  shutDown(): Promise<void>;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
}

const PORT = 5432;
/** Bounded by the signal: a long log takes its time. */
const NO_LIMIT_MS = 30 * 86_400_000;

/**
 * Recovers a base with the log since then on a throwaway server, up to the target, and promotes it.
 *
 * @throws OperatorError TOOL_MISSING without a server of its version; BACKUP_DAMAGED naming the object; RESTORE_FAILED when
 *   the log did not take the server to the target
 */
export async function recover(order: RecoveryOrder): Promise<Recovered> {
  const { signal, target } = order;
  const program = await serverProgram(order.major);
  const said: RecoverySaid = { hasStopped: false, hasMissedTarget: false };
  let spool: Spool | undefined;
  let as: Partial<Stage> = {};
  let user = '';
  let isSecondRun = false;
  let inBase: readonly MadeTablespace[] = [];
  let refusal: unknown;
  let configure = (_target: RecoveryTarget | undefined) => {};
  const server = await startInFolder({
    product: 'PostgreSQL',
    accounts: ['postgres', 'nobody'],
    ...(order.owner === undefined ? {} : { owner: order.owner }),
    prefix: order.prefix,
    signal,
    withinMs: NO_LIMIT_MS,
    prepare: async (directory, owner) => {
      as = owner;
      const data = join(directory, 'data');
      const own = (path: string) => owner.uid !== undefined && chownSync(path, owner.uid, owner.gid ?? owner.uid);
      inBase = await prepareFiles(order.base, program, { directory, data, as: owner, own, signal });
      const folder = join(directory, 'spool');
      const filling = openSpool(folder, order.log, { owner: own, signal });
      spool = filling;
      const control = await readControlData((await besideProgram(program, 'pg_controldata')).path, data, owner);
      writeFileSync(join(directory, 'hba.conf'), 'local all all trust\n');
      configure = (to) =>
        replaceFile(
          join(directory, 'recovery.conf'),
          recoverySettings({
            major: program.major,
            control,
            socketFolder: directory,
            hbaFile: join(directory, 'hba.conf'),
            restoreCommand: filling.command,
            timeline: order.timeline,
            target: to,
            reading: order.reading ?? {},
            preloaded: CALLED_AROUND.filter(({ name }) => hasLibrary(program, name)),
            durable: order.durable ?? false,
          }),
        );
      configure(target);
      const missing = await missingLocales(order.locales, signal);
      const locales = missing.length > 0 ? await buildLocales(missing, directory) : undefined;
      const command = [program.path, '-D', data, '-c', `config_file=${join(directory, 'recovery.conf')}`];
      const serve = bash(SERVE, [directory, ...command]);
      return {
        name: 'postgres',
        ...guarded('TERM', directory, [serve.command, ...serve.args]),
        ownSession: order.isForLooking === true,
        env: locales === undefined ? {} : { LOCPATH: locales.path },
        ...owner,
        onLine: (line) => {
          takeIn(said, line);
          return isChatter(line);
        },
      };
    },
    check: async (directory) => {
      if (refusal !== undefined) throw refusal;
      const ended = join(directory, 'ended');
      if (!existsSync(ended)) return;
      // what the feed has to say is the cause of what the server says
      if (existsSync(join(directory, 'spool', 'failed'))) await spool?.filled;
      // its last words may still be on their way
      await sleep(100);
      if (said.hasMissedTarget && order.endCounts && !isSecondRun) {
        isSecondRun = true;
        said.hasMissedTarget = false;
        delete said.fatal;
        log.info('no commit comes after the moment: going on to the end of the log, which is the same state');
        configure(undefined);
        replaceFile(join(directory, 'again'), '');
        while (existsSync(ended)) await sleep(20);
        return;
      }
      throw ending(order, said);
    },
    connect: async (directory) => {
      user = await connectAsAny({ host: directory, port: PORT }, order.users).catch((error: unknown) => {
        // one that answers, and lets none of them in, will not do so later
        if (error instanceof OperatorError) refusal = error;
        throw error;
      });
    },
  }).catch(async (error: unknown) => {
    await spool?.close();
    throw error;
  });
  await spool?.close();
  if (said.isRolledBack === true && target?.kind === 'xid') {
    await server.stop();
    throw new OperatorError(
      'RESTORE_REFUSED',
      `transaction ${target.xid} is not in the log as one that was committed: it was rolled back at ${said.lastIn?.at}`,
      { hint: 'No state of the database has what it did. AT= that time is the state then. Nothing was touched.' },
    );
  }
  const data = join(server.directory, 'data');
  rmSync(join(server.directory, 'spool'), { recursive: true, force: true });
  const { lastIn, firstOut } = said;
  return {
    directory: server.directory,
    data,
    host: server.directory,
    port: PORT,
    user,
    program,
    reachedLsn: endOfReplay(data),
    isEnd: !said.hasStopped,
    lastIn,
    firstOut,
    madeTablespaces: [...inBase, ...(spool?.made ?? [])],
    as,
    shutDown: () => shutDown(server.directory, data),
    stop: server.stop,
  };
}
