import type { ChainLog } from './catalog.ts';

/** A chain ends when the next one of its server begins; that clocks differ is no sign of two servers. */
const CLOCKS_DIFFER_MS = 60_000;

/** Whether a chain was written to while another one, which had begun by then, was taken: they are of two servers. */
export function isBeside(chain: ChainLog, other: ChainLog): boolean {
  if (chain.id.chain === other.id.chain || chain.lastAt === undefined) return false;
  return chain.lastAt.getTime() > other.id.begunAt.getTime() + CLOCKS_DIFFER_MS;
}
