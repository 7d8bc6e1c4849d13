import type { Bed } from './bed.ts';
import type { Case } from './case.ts';
import { FAULTS } from './faults.ts';
import { Random } from './random.ts';

/** MariaDB's share: its servers and swaps take longer, and most of the way is the same. Drills start a server each. */
const MARIADB_SHARE = 0.25;
const MARIADB_DRILL_SHARE = 0.08;

/** The generator of a case's own random numbers: a case repeats by its number, whatever ran before it. */
export function randomOf(seed: number, number: number): Random {
  return new Random(seed * 1_000_003 + number);
}

/** Every fault with every verb that it can happen to, in an order that the seed decides, again and again. */
export function planCases(bed: Bed, seed: number): (number: number) => Case {
  const isRoot = process.getuid?.() === 0;
  const pairs = FAULTS.filter(
    (fault) => (fault.stores?.includes(bed.storeName) ?? true) && (!fault.needsRoot || isRoot),
  ).flatMap((fault) =>
    fault.verbs.flatMap((verb) =>
      Array.from({ length: verb === 'drill' ? 1 : (fault.weight ?? 1) }, () => ({ fault, verb })),
    ),
  );
  const shuffled = new Random(seed);
  for (let i = pairs.length - 1; i > 0; i -= 1) {
    const j = shuffled.int(0, i);
    [pairs[i], pairs[j]] = [pairs[j] as (typeof pairs)[number], pairs[i] as (typeof pairs)[number]];
  }
  const [first, ...others] = bed.engines;
  if (!first) throw new Error('there is no database server');
  return (number) => {
    const pair = pairs[(number - 1) % pairs.length] as (typeof pairs)[number];
    const isOther = new Random(seed + number * 7_919).chance(
      pair.verb === 'drill' ? MARIADB_DRILL_SHARE : MARIADB_SHARE,
    );
    const engine = (isOther && others[0]) || first;
    return { number, ...pair, engine };
  };
}
