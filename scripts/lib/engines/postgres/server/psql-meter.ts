import { fileURLToPath } from 'node:url';
import type { MeterProgram } from '../../../pipeline/meter.ts';

const RESTRICT_METER = fileURLToPath(new URL('./restrict-meter.pl', import.meta.url));

/**
 * The meter in front of what psql reads.
 * @param droppedLines lines that this server would not understand; they are left out where they stand in the first 8 KB
 * @param guard puts psql into restricted mode with this token: nothing of the dump is a command for psql, whose `\\!` would
 *   be the shell
 * @param part of a dump that is read in parts, without the head that such lines stand in: what is to be set before it, and whether
 *   the rows that it begins with are to be frozen as they come
 */
export function psqlMeter(
  droppedLines: readonly string[],
  guard?: string,
  part?: { settings: readonly string[]; freezes?: boolean },
): MeterProgram {
  const before = (part?.settings ?? []).filter((line) => !droppedLines.includes(line)).map((line) => `${line}\n`);
  return {
    path: RESTRICT_METER,
    args: [
      ...(before.length === 0 ? [] : [`--before=${before.join('')}`]),
      ...(part?.freezes ? ['--freeze'] : []),
      ...(guard === undefined ? [] : [`--guard=${guard}`]),
      // a row may say the same
      ...(part ? [] : droppedLines),
    ],
  };
}
