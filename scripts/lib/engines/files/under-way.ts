import type { FilesSource } from '../../source.ts';
import type { RunUnderWay } from '../engine.ts';
import { flockHeldForMs } from './swap/flock.ts';
import { listBeside, lookAt } from './swap/place.ts';

/** The runs that hold a folder's locks: these lie on the folder itself, and on the one that a restore fills. */
export function runsUnderWay(source: FilesSource): RunUnderWay[] {
  const place = lookAt(source.path);
  const filled = listBeside(place).filter(({ role }) => role === 'restoring');
  const looked = [
    { purpose: 'backup', forMs: flockHeldForMs(place.live) } as const,
    ...filled.map(({ path }) => ({ purpose: 'restore', forMs: flockHeldForMs(path) }) as const),
  ];
  return looked.flatMap(({ purpose, forMs }) => (forMs === undefined ? [] : [{ purpose, forMs }]));
}
