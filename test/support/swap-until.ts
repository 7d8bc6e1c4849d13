import { renameSync } from 'node:fs';
import { lookAt, type Place } from '../../scripts/lib/engines/files/swap/place.ts';
import { swap } from '../../scripts/lib/engines/files/swap/swap.ts';

// swap-until.ts LIVE NEXT KEPT-AS INSIDE STEPS: swaps, and is killed in place of the rename after that many.
const [live = '', next = '', keptAs, inside, steps] = process.argv.slice(2);
let renames = 0;
const place: Place = { ...lookAt(live), isInside: inside === 'inside' };
swap(place, next, keptAs === 'undone' ? 'undone' : 'previous', (from, to) => {
  if (renames === Number(steps)) process.kill(process.pid, 'SIGKILL');
  renames += 1;
  renameSync(from, to);
});
