import { log } from '../../../terminal/log.ts';

const SHOWN_LINES = 3;

/** tar exits with 0 where it could not set attributes, capabilities or access lists: what is there is not all that was. */
export function warnOfWhatTarSaid(said: readonly string[], staging: string): void {
  const lines = said.filter((line) => line !== '');
  if (lines.length === 0) return;
  // the program in between passes on the first ones, and how many more there were
  const more = Number(/^… and (\d+) more lines$/.exec(lines.at(-1) ?? '')?.[1] ?? 0);
  const total = more === 0 ? lines.length : lines.length - 1 + more;
  log.warn(
    `tar says ${total} ${total === 1 ? 'thing' : 'things'} of what it extracted into ${staging}, which may lack attributes, capabilities or access lists: ${lines.slice(0, SHOWN_LINES).join('; ')}`,
  );
}
