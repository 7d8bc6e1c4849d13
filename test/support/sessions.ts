import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SessionProcess {
  readonly pid: number;
  readonly name: string;
  readonly commandLine: string;
}

/** The living processes of a session; those that have ended and wait for their parent are not among them. */
export function processesOfSession(session: number): SessionProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const program = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        const [state, , , of] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (Number(of) !== session || state === 'Z') return [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ pid: Number(name), name: program, commandLine }];
      } catch {
        // it ended between the two readings
        return [];
      }
    });
}

/** Signals every living process of a session. One that ends by itself meanwhile needs no signal any more. */
export function signalSession(session: number, name: NodeJS.Signals): void {
  for (const { pid } of processesOfSession(session)) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Long enough for a machine that has much else to do. */
const WAIT_MS = 120_000;

/** How often in a row something has to be the same to be called still. */
const STILL_LOOKS = 12;

/** Asks until the answer stays the same: for what has no sign of its own, such as that nothing more comes. */
export async function untilStill<T>(what: string, ask: () => T | Promise<T>): Promise<T> {
  let last: string | undefined;
  let looks = 0;
  return until(`${what}, and no more of it`, async () => {
    const answer = await ask();
    const text = JSON.stringify(answer);
    looks = text === last ? looks + 1 : 0;
    last = text;
    return looks >= STILL_LOOKS ? answer : undefined;
  });
}

/** Until the clock shows another second than now: for what tells times by the second. */
export async function untilNextSecond(): Promise<void> {
  const second = () => Math.floor(Date.now() / 1_000);
  const now = second();
  await until('the next second', () => second() > now || undefined);
}

/** Asks again and again until there is an answer. */
export async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + WAIT_MS; ; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms in vain: ${what}`);
    await sleep(25);
  }
}
