import { fileURLToPath } from 'node:url';
import type { MeterProgram } from '../../../pipeline/meter.ts';

const RESTRICT_METER = fileURLToPath(new URL('./restrict-meter.pl', import.meta.url));

/**
 * The meter in front of what psql reads.
 * @param droppedLines lines that this server would not understand; they are left out where they stand in the first 8 KB
 * @param guard puts psql into restricted mode with this token: nothing of the dump is a command for psql, whose `\\!` would
 *   be the shell
 */
export function psqlMeter(droppedLines: readonly string[], guard?: string): MeterProgram {
  return { path: RESTRICT_METER, args: [...(guard === undefined ? [] : [`--guard=${guard}`]), ...droppedLines] };
}
