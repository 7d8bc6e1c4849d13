import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { temporaryFolder } from './folders.ts';
import { type Environment, type Running, startVerb, until, type Verb } from './verbs.ts';

/** Runs what follows at a pseudo-terminal of its own (util-linux), which closes when `script` ends; keys come from $TYPED. */
const AT_TERMINAL = 'exec script -qefc "stty rows 40 cols 120; exec $(printf "%q " "$@")" /dev/null <"$TYPED"';

/** A verb at a terminal, and somebody who types. */
export interface AtTerminal {
  /** Of `script`: killed, the terminal is closed. */
  readonly running: Running;
  type(keys: string): void;
}

/** Starts a verb at a terminal. */
export function startAtTerminal(verb: Verb, args: readonly string[], env: Environment): AtTerminal {
  const path = join(temporaryFolder(), 'typed');
  execFileSync('mkfifo', [path]);
  // with a writer all the time, it never ends
  const keyboard = openSync(path, constants.O_RDWR);
  after(() => closeSync(keyboard));
  const running = startVerb(
    verb,
    args,
    { ...env, TYPED: path, TERM: 'dumb' },
    { through: ['bash', '-c', AT_TERMINAL, 'bash'] },
  );
  return { running, type: (keys) => writeSync(keyboard, keys) };
}

/** The living processes that have this text on their command line, and the other one in their environment. */
export function processesWith(text: string, inEnvironment = ''): { pid: number; commandLine: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        if (!commandLine.includes(text)) return [];
        if (!readFileSync(`/proc/${name}/environ`, 'utf8').includes(inEnvironment)) return [];
        return [{ pid: Number(name), commandLine }];
      } catch {
        return [];
      }
    });
}

/**
 * Waits until nothing is in the folder, and nobody has it on his command line.
 * @param isKilled the note of one that was killed stays, which nobody answers to any more, until the next run
 */
export function nothingStays(folder: string, isKilled = false): Promise<true> {
  const stays = () => readdirSync(folder).filter((name) => !isKilled || !/^look-\d+\.sock$/.test(name));
  return until(`nothing stays in ${folder}`, () =>
    stays().length === 0 && processesWith(folder).length === 0 ? true : undefined,
  );
}
