import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleVerbs } from '../../docker/backup/bundle.ts';
import { unknownFields } from '../../docs/json-fields.ts';
import { processesOfSession, type SessionProcess, signalSession, until } from './sessions.ts';

export { processesOfSession, type SessionProcess, until, untilNextSecond, untilStill } from './sessions.ts';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
const TSX = fileURLToPath(new URL('../../node_modules/.bin/tsx', import.meta.url));
/** test/run.sh makes one for all files. */
const { TEST_BUNDLE } = process.env;
const BUNDLE = TEST_BUNDLE ?? (await makeBundle());

/** No run of a test's takes so long; one that does has hung, and the test has to fail and not to wait forever. */
const HUNG_AFTER_MS = 120_000;

const started: number[] = [];
// a test that failed half way has left its verb waiting for what never comes
after(() => {
  if (TEST_BUNDLE === undefined) rmSync(BUNDLE, { recursive: true, force: true });
  for (const session of started) signalSession(session, 'SIGKILL');
});

async function makeBundle(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'verbs-test-'));
  await bundleVerbs(folder);
  // a server of a test's may run as another user than the test
  chmodSync(folder, 0o755);
  return folder;
}

export type Verb =
  | 'backup'
  | 'base'
  | 'commits'
  | 'mark'
  | 'receive'
  | 'restore-server'
  | 'list'
  | 'restore'
  | 'cleanup'
  | 'drill'
  | 'look'
  | 'diff'
  | 'upgrade-check'
  | 'copy'
  | 'verify'
  | 'hold'
  | 'release'
  | 'status'
  | 'keygen'
  | 'notify-test'
  | 'config'
  | 'pitr';
export type Environment = Readonly<Record<string, string>>;

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` printed; reading it without that option, or when there is more than one document, throws. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads documents of every shape
  readonly json: any;
}

export interface VerbOptions {
  /** The text of a `.env` in the working directory. */
  readonly dotenv?: string;
  /**
   * From a bundle, as the image has it, unless said otherwise; `node`, from source, as make does without Docker; `tsx`,
   * from source through that command, a process of its own, which kills a verb that takes longer than 60 ms to tell it of
   * a signal: on a busy machine one that does so is no judge of how a verb takes signals.
   */
  readonly by?: 'bundle' | 'node' | 'tsx';
  /** A command before it, such as one that gives up rights or mounts something. */
  readonly through?: readonly string[];
}

/** A verb under way, in a session of its own. */
export interface Running {
  readonly pid: number;
  readonly outcome: Promise<Outcome>;
  /** Every process that it started, directly or not, and that still runs. */
  processes(): SessionProcess[];
  /** Resolves with the first process of that name as soon as it runs. */
  process(name: string): Promise<SessionProcess>;
  signal(name: NodeJS.Signals): void;
  /** Signals it and everything that it started. */
  signalAll(name: NodeJS.Signals): void;
  /** What it has written to standard error so far. */
  stderr(): string;
}

/**
 * Starts a verb's script with nothing but the given environment, in an empty working directory: what the developer
 * has in the environment or in .env must not decide a test.
 */
export function startVerb(
  verb: Verb,
  args: readonly string[],
  env: Environment,
  { dotenv, by = 'bundle', through = [] }: VerbOptions = {},
): Running {
  const cwd = mkdtempSync(join(tmpdir(), 'verb-test-'));
  if (dotenv !== undefined) writeFileSync(join(cwd, '.env'), dotenv);
  // the user that it then runs as works here
  if (through.length > 0) chmodSync(cwd, 0o777);
  const script = join(SCRIPTS, `${verb}.ts`);
  const ours = {
    bundle: [process.execPath, join(BUNDLE, `${verb}.mjs`)],
    node: [process.execPath, '--import', import.meta.resolve('tsx'), script],
    tsx: [TSX, script],
  }[by];
  const [command = '', ...before] = [...through, ...ours];
  const child = spawn(command, [...before, ...args], {
    cwd,
    detached: true,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, AWS_EC2_METADATA_DISABLED: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid ?? 0;
  started.push(pid);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const hung = setTimeout(() => {
    stderr += `\nHUNG: ended by the test after ${HUNG_AFTER_MS} ms\n`;
    signalSession(pid, 'SIGKILL');
  }, HUNG_AFTER_MS);
  const outcome = ended(child, () => stderr, [verb, ...args]).finally(() => {
    clearTimeout(hung);
    rmSync(cwd, { recursive: true, force: true });
  });
  return {
    pid,
    outcome,
    processes: () => processesOfSession(pid),
    process: (name) =>
      until(`${verb} runs ${name}`, () => processesOfSession(pid).find((process) => process.name === name)),
    signal: (name) => process.kill(pid, name),
    signalAll: (name) => signalSession(pid, name),
    stderr: () => stderr,
  };
}

export function runVerb(
  verb: Verb,
  args: readonly string[],
  env: Environment,
  options?: VerbOptions,
): Promise<Outcome> {
  return startVerb(verb, args, env, options).outcome;
}

/** As runVerb, of a verb that has to succeed. */
export async function done(
  verb: Verb,
  args: readonly string[],
  env: Environment,
  options?: VerbOptions,
): Promise<Outcome> {
  const outcome = await runVerb(verb, args, env, options);
  assert.equal(outcome.code, 0, [verb, ...args, '\n', outcome.stderr, outcome.stdout].join(' '));
  return outcome;
}

function ended(child: ChildProcess, stderr: () => string, words: readonly string[]): Promise<Outcome> {
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({
        code,
        signal,
        stdout,
        stderr: stderr(),
        get json() {
          if (!words.includes('--json')) throw new Error('this run was not asked for --json');
          let document: unknown;
          try {
            document = JSON.parse(stdout);
          } catch (error) {
            throw new Error(`not one JSON document: ${JSON.stringify(stdout)}\n${stderr()}`, { cause: error });
          }
          assertDocumented(words, document);
          return document;
        },
      });
    });
  });
}

/** A field that is printed and in no reference is one that its readers cannot rely on. */
function assertDocumented(words: readonly string[], document: unknown): void {
  const command = [
    words[0],
    ...(words.includes('--undo') ? ['--undo'] : []),
    ...(words.includes('--pitr') ? ['--pitr'] : []),
  ].join(' ');
  const unknown = unknownFields(command, document);
  if (unknown.length > 0)
    throw new Error(
      `${command} --json: docs/json-fields.ts lacks ${unknown.join(', ')}. Add them, then run: make reference`,
    );
}
