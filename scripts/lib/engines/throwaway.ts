import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { OperatorError } from '../errors.ts';
import { type Stage, type StageResult, startChain } from '../process-stream.ts';

// Ends with its standard input: when this process goes, even by SIGKILL, the server and its folder go too.
const GUARD = `
signal=$1; dir=$2; shift 2
"$@" </dev/null &
server=$!
trap 'kill -$signal $server 2>/dev/null' TERM INT
cat >/dev/null
kill -$signal $server 2>/dev/null
wait $server
rm -rf -- "$dir"`;

/** bash reads the user's own ~/.bashrc, whatever that does, when its input is a socket, as a child's is here. */
const BASH = ['--norc', '-c'];

/**
 * The command that runs a throwaway server until its standard input ends, and then removes its folder.
 * @param signal what makes the server stop at once: `INT`, `KILL`
 */
export function guarded(
  signal: string,
  directory: string,
  command: readonly string[],
): { command: string; args: string[] } {
  return { command: 'bash', args: [...BASH, GUARD, 'guard', signal, directory, ...command] };
}

// Runs a command to its end, and keeps what it made; but when our side goes first, the command and its folder go too.
const SETUP_GUARD = `
set -m
dir=$1; shift
exec 3<&0
"$@" </dev/null &
setup=$!
{ cat <&3 >/dev/null; kill -KILL -- -$setup; sleep 0.2; rm -rf -- "$dir"; } 2>/dev/null &
watch=$!
wait $setup
status=$?
kill -KILL -- -$watch
exit $status`;

/**
 * Runs what prepares a throwaway server's folder. Should this process be killed meanwhile, the folder is removed.
 * @param stage its output goes nowhere
 */
export async function runSetup(directory: string, stage: Stage, signal?: AbortSignal): Promise<StageResult> {
  const args = [...BASH, SETUP_GUARD, 'guard', directory, stage.command, ...stage.args];
  const chain = startChain([{ ...stage, command: 'bash', args }], { stdin: true, ...(signal ? { signal } : {}) });
  const [result] = await chain.finished;
  chain.stdin?.destroy();
  signal?.throwIfAborted();
  if (!result) throw new OperatorError('PROCESS_FAILED', `${stage.name} was not started`);
  return result;
}

/** The account to start a server as that refuses to run as root; nothing when this is not root. */
export function unprivileged(product: string, accounts: readonly string[]): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = readFileSync('/etc/passwd', 'utf8');
  for (const name of accounts) {
    const match = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(passwd);
    if (match) return { uid: Number(match[1]), gid: Number(match[2]) };
  }
  throw new OperatorError('TOOL_MISSING', `${product} refuses to run as root, and there is no account to run it as`, {
    hint: `Create the user ${accounts[0]}, or run this as an ordinary user.`,
  });
}

/** A port of 127.0.0.1 that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
