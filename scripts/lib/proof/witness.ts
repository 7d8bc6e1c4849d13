import { fileURLToPath } from 'node:url';
import type { Stage } from '../pipeline/chain.ts';
import type { DigestBuilder } from './digest.ts';
import type { ReadingOptions } from './reading.ts';

const PROGRAM = fileURLToPath(new URL('./witness.mjs', import.meta.url));

/**
 * A stage that sees a dump pass and adds what it holds to a digest: so the raw stream never enters this process.
 *
 * @param options.handsOn it stands between two others; else it is the last of a chain
 * @param options.through makes text of a dump that is none
 */
export function witnessStage(
  digest: DigestBuilder,
  reading: ReadingOptions,
  { handsOn, through }: { handsOn: boolean; through?: Stage | undefined },
): Stage {
  return {
    name: 'proof',
    command: process.execPath,
    args: [PROGRAM, ...(through ? [through.command, ...through.args] : [])],
    files: [JSON.stringify({ ...reading, handsOn })],
    onLine: digest.take,
  };
}
