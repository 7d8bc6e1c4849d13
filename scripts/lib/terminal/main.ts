import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EXIT, type ExitCode, messageOf, OperatorError } from '../errors.ts';
import { writeHintsFor } from './hints.ts';
import { log, print, printJson } from './log.ts';
import { sourceStack } from './stack.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A verb: what its `--help` prints, the options it takes beside `--help` and `--json`, and what it does. */
export interface Verb<O extends Options> {
  readonly help: string;
  readonly options: O;
  /** Whether words other than options are taken. */
  readonly allowPositionals: boolean;
  run(invocation: Invocation<O>): Promise<ExitCode>;
}

export interface Invocation<O extends Options> {
  readonly options: ReturnType<typeof parseArgs<{ options: O & typeof COMMON; allowPositionals: true }>>['values'];
  readonly words: readonly string[];
  readonly json: boolean;
  /** Aborts on SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
}

const COMMON = { help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } } as const;

/** A verb that was told to stop has its own bounds, of two minutes at most. This one is for work that ignores them. */
const STOP_WITHIN_MS = 180_000;
/** What a verb that has ended may leave open, such as a connection that nobody answers on, keeps nobody waiting. */
const EXIT_WITHIN_MS = 5_000;

/** Within this time, a signal and its repetition are one. */
const SAME_SIGNAL_MS = 500;

/** The one place that catches, prints and exits. */
export async function main<O extends Options>(verb: Verb<O>): Promise<void> {
  // what make has set for this run; what the operator sets is read by config/environment.ts
  const { VERB_RUN, VERB_ENDS_WITH_INPUT } = process.env;
  // in the image without make, hints name what works in every compose project
  writeHintsFor(process.argv[1]?.startsWith('/app/dist/') && !VERB_RUN ? 'compose' : 'make');
  const controller = new AbortController();
  let stoppedAt = 0;
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        // tsx passes on what the terminal has sent already: that is the same one
        if (Date.now() - stoppedAt < SAME_SIGNAL_MS) return;
        // a second one means that its sender will not wait
        leave(EXIT.failed);
      }
      stoppedAt = Date.now();
      setTimeout(() => {
        log.error(`not stopped within ${STOP_WITHIN_MS / 1_000} s of ${name}: ending all the same`);
        leave(EXIT.failed);
      }, STOP_WITHIN_MS).unref();
      log.warn(`${name}: stopping; send it again to stop immediately`);
      controller.abort(new OperatorError('INTERRUPTED', `stopped by ${name}`, { hint: 'Nothing was left half done.' }));
    });
  }
  if (VERB_ENDS_WITH_INPUT === 'true') endWithInput();
  // the reader of our output may have gone, as head does
  process.stdout.on('error', () => {});
  // a terminal that was closed takes no words any more: what is under way is to end in order all the same
  process.stderr.on('error', () => {});
  try {
    process.exitCode = await parseAndRun(verb, controller.signal);
  } catch (error) {
    process.exitCode = report(error, process.argv.includes('--json'));
  }
  setTimeout(() => leave(process.exitCode), EXIT_WITHIN_MS).unref();
}

/**
 * make keeps the input of a verb in a container open for as long as somebody waits for it: a client that was killed, or a
 * connection that broke, sends no signal.
 */
function endWithInput(): void {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGHUP'));
  process.stdin.on('error', () => {});
  process.stdin.resume();
  // a reason to end, and none to stay
  process.stdin.unref?.();
}

function leave(code: typeof process.exitCode): never {
  process.exit(code);
}

async function parseAndRun<O extends Options>(verb: Verb<O>, signal: AbortSignal): Promise<ExitCode> {
  let parsed: { values: unknown; positionals: string[] };
  try {
    parsed = parseArgs({
      options: { ...verb.options, ...COMMON },
      allowPositionals: verb.allowPositionals,
    });
  } catch (error) {
    throw new OperatorError('USAGE', messageOf(error), { hint: 'See --help.', cause: error });
  }
  const options = parsed.values as Invocation<O>['options'];
  const common = options as { help?: boolean; json?: boolean };
  if (common.help) {
    print(verb.help.trim());
    return EXIT.done;
  }
  return verb.run({ options, words: parsed.positionals, json: common.json === true, signal });
}

function report(error: unknown, json: boolean): ExitCode {
  if (error instanceof OperatorError) {
    log.error(error.message, { code: error.code, hint: error.hint });
    if (error.hint !== '') log.error(`next: ${error.hint}`);
    if (json) printJson({ ok: false, error: { code: error.code, message: error.message, hint: error.hint } });
    return error.exitCode;
  }
  log.error(
    `internal error, please report it: ${error instanceof Error ? sourceStack(error.stack ?? error.message) : String(error)}`,
  );
  if (json) printJson({ ok: false, error: { code: 'DEFECT', message: messageOf(error), hint: '' } });
  return EXIT.failed;
}
