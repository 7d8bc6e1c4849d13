import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { messageOf, OperatorError } from '../../errors.ts';
import { bash } from '../../pipeline/bash.ts';
import { type Chain, runProgram, type Stage, startChain } from '../../pipeline/chain.ts';
import type { StageResult } from '../../pipeline/result.ts';
import { command } from '../../terminal/hints.ts';
import { log } from '../../terminal/log.ts';

const GUARD = fileURLToPath(new URL('./throwaway.sh', import.meta.url));
const SETUP_GUARD = fileURLToPath(new URL('./setup.sh', import.meta.url));

/**
 * The command that runs a throwaway server until its standard input ends, and then removes its folder.
 * @param signal what makes the server stop at once: `INT`, `KILL`
 */
export function guarded(
  signal: string,
  directory: string,
  command: readonly string[],
): { command: string; args: string[] } {
  return bash(GUARD, [signal, directory, ...command]);
}

/**
 * Runs what prepares a throwaway server's folder. Should this process be killed meanwhile, the folder is removed.
 * @param stage its output goes nowhere
 */
export async function runSetup(directory: string, stage: Stage, signal?: AbortSignal): Promise<StageResult> {
  const guarded = { ...stage, ...bash(SETUP_GUARD, [directory, stage.command, ...stage.args]) };
  const chain = startChain([guarded], { stdin: true, ...(signal ? { signal } : {}) });
  // the guard's watch ends what does not end by itself, and removes the folder
  const giveUp = () => chain.stdin?.destroy();
  signal?.addEventListener('abort', giveUp, { once: true });
  const [result] = await chain.finished;
  signal?.removeEventListener('abort', giveUp);
  chain.stdin?.destroy();
  signal?.throwIfAborted();
  if (!result) throw new OperatorError('PROCESS_FAILED', `${stage.name} was not started`);
  return result;
}

/** What the servers of all products have in common: a folder, an account, and that one has to wait for them. */
export interface ThrowawayRecipe {
  readonly product: string;
  /** Where the server refuses to run as root: the accounts to run it as, the best first. */
  readonly accounts: readonly string[];
  /** Whom it runs as where this is root, whatever accounts there are. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What its folder begins with. See folderPrefix. */
  readonly prefix: string;
  readonly signal: AbortSignal | undefined;
  /** Prepares the folder, and says which program serves from it. */
  prepare(directory: string, as: Pick<Stage, 'uid' | 'gid' | 'cwd'>): Promise<Stage>;
  /** Connects once; rejects while the server does not answer. */
  connect(directory: string): Promise<void>;
  /** How long it may take until it answers; a minute unless said otherwise. */
  readonly withinMs?: number;
  /** Looked at before each attempt to connect: throws when the server will not answer any more. */
  check?(directory: string): Promise<void>;
}

/**
 * Makes a folder, prepares and starts a guarded server in it, and waits until it answers.
 * @returns its folder, and what stops it and removes the folder
 * @throws OperatorError TOOL_MISSING without an account to run it as, PROCESS_FAILED when it does not start
 */
export async function startInFolder(recipe: ThrowawayRecipe): Promise<{ directory: string; stop(): Promise<void> }> {
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot && recipe.owner ? recipe.owner : await unprivileged(recipe.product, recipe.accounts);
  const directory = makeFolder(recipe.prefix);
  try {
    chmodSync(directory, 0o700);
    if (owner) handOver(directory, owner, recipe);
    const chain = startChain([await recipe.prepare(directory, { ...owner, cwd: directory })], { stdin: true });
    const stop = () => stopGuarded(chain, directory);
    try {
      await untilReady(recipe, directory, chain);
    } catch (error) {
      await stop();
      throw error;
    }
    return { directory, stop };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** @throws OperatorError PROCESS_FAILED where no folder can be made */
function makeFolder(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    throw new OperatorError('PROCESS_FAILED', `no folder for a throwaway server: ${messageOf(error)}`, {
      hint: `User ${process.getuid?.()} has to be able to write in ${dirname(prefix)}: mount a volume there, or name another folder by DRILL_DIR.`,
      cause: error,
    });
  }
}

/** Root of a container may lack the powers of root, of which this takes two. @throws OperatorError TOOL_MISSING */
function handOver(
  directory: string,
  { uid, gid }: { uid: number; gid: number },
  { product, accounts }: ThrowawayRecipe,
) {
  try {
    chownSync(directory, uid, gid);
  } catch (error) {
    throw new OperatorError(
      'TOOL_MISSING',
      `${product} refuses to run as root, and root may not become ${accounts[0]} here: ${messageOf(error)}`,
      {
        hint: `Run it as that user, as the schedule does: docker compose exec --user postgres backup drill. (${command('drill')} does so.)`,
        cause: error,
      },
    );
  }
}

/** Why no throwaway server could be made in this folder, or undefined. */
export function whyNoPlace(parent: string): string | undefined {
  try {
    rmdirSync(makeFolder(join(parent, 'drill-place-')));
    return undefined;
  } catch (error) {
    return error instanceof OperatorError ? `${error.message}. ${error.hint}` : messageOf(error);
  }
}

async function untilReady(recipe: ThrowawayRecipe, directory: string, chain: Chain) {
  const { product, signal, connect, withinMs = START_TIMEOUT_MS } = recipe;
  let stopped: string | undefined;
  void chain.finished.then(([result]) => {
    stopped = result?.stderr ?? '';
  });
  const deadline = Date.now() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (stopped !== undefined)
      throw new OperatorError('PROCESS_FAILED', `the throwaway ${product} server did not start: ${stopped}`);
    await recipe.check?.(directory);
    try {
      return await connect(directory);
    } catch {
      if (Date.now() > deadline)
        throw new OperatorError('PROCESS_FAILED', `the throwaway ${product} server did not answer in time`);
      await sleep(50);
    }
  }
}

/** The guard gives a server ten seconds; a guard that was killed gives it none. */
const STOP_WITHIN_MS = 12_000;
const START_TIMEOUT_MS = 60_000;

/** Ends a guarded server, also when its guard is no more, and removes its folder. */
async function stopGuarded(chain: Chain, directory: string): Promise<void> {
  chain.stdin?.end();
  const waiting = new AbortController();
  const over = sleep(STOP_WITHIN_MS, undefined, { signal: waiting.signal }).then(
    () => killProcessesOf(directory),
    () => {},
  );
  await Promise.race([chain.finished, over]);
  waiting.abort();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** What a throwaway server is for: its folder is named by it. */
export type ThrowawayUse = 'drill' | 'moment' | 'look';

/** The folder of a throwaway server: those of drills can be told from others, and are looked for after a crash. */
export function folderPrefix(engine: string, parent: string | undefined, of: ThrowawayUse = 'drill'): string {
  return join(parent ?? tmpdir(), `${parent === undefined ? 'throwaway' : of}-${engine}-`);
}

/** Removes what drills that were killed left in their folder. Nobody else may be drilling there. */
export function removeLeftoverServers(parent: string): void {
  // drill-checks-… may be somebody's own: DRILL_DIR is the folder for everybody's temporary files unless it is said
  removeLeftoverFolders(parent, /^drill-(postgres|mariadb)-[A-Za-z0-9]{6}$/, 'a drill');
}

/** Removes the folders of servers that are named so, with what still runs in them. @param whose what messages call who left them */
export function removeLeftoverFolders(parent: string, named: RegExp, whose: string): void {
  for (const name of readdirSync(parent).filter((each) => named.test(each))) {
    log.info(`removing ${name}, left behind by ${whose} that was killed`);
    killProcessesOf(join(parent, name));
    rmSync(join(parent, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Ends whatever has the folder on its command line; where there is no /proc, nothing. */
function killProcessesOf(directory: string): void {
  for (const pid of readdirSyncOrNone('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // it has ended meanwhile, or is somebody else's
    }
  }
}

function readdirSyncOrNone(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** The account to start a server as that refuses to run as root; nothing when this is not root. */
async function unprivileged(
  product: string,
  accounts: readonly string[],
): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of accounts) {
    const account = await accountOf(name);
    if (account) return account;
  }
  throw new OperatorError('TOOL_MISSING', `${product} refuses to run as root, and there is no account to run it as`, {
    hint: `Create the user ${accounts[0]}, or run this as an ordinary user.`,
  });
}

/** Those of a directory service are in no file: the system is asked. */
async function accountOf(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((which) => runProgram({ name: 'id', command: 'id', args: [which, name] })),
  );
  if (uid?.exitCode !== 0 || gid?.exitCode !== 0) return undefined;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  // for tests and the demonstration alone: a drill's server listens on a socket
  const { default: getPort } = await import('get-port');
  return getPort({ host: '127.0.0.1' });
}
