import type { Stage } from '../../../pipeline/chain.ts';

/** What a load that fails by the dump's own faults means, by the server's words, and the way to the data all the same. */
export const LOAD_HINTS: NonNullable<Stage['hints']> = [
  [
    /violates (foreign key|check|not-null|exclusion|unique) constraint|could not create (unique index|exclusion constraint)|is violated by some row|contains null values/i,
    'The rows break a constraint of their own, at the source too: mend them there and back up again. For the data tonight: make an empty database and load the dump into it by hand, with gunzip -c (or pg_restore) and psql -d NEW without ON_ERROR_STOP, which goes on without that constraint and names it; then mend the rows, or add it with NOT VALID.',
  ],
  [
    /(type|function|relation|operator|collation|schema|text search (configuration|dictionary)|procedure) .* does not exist/i,
    'A function that is called without its schema is found by search_path, which a dump empties. Before the next backup: ALTER FUNCTION … SET search_path = … at the source, for the function that the message names. For the data tonight: restore with --own-search-path, which loads with the path that the database has (formats sql and folder).',
  ],
];

/** The next step for what a server has said of a statement of the dump. */
export function loadHint(said: string): string | undefined {
  return LOAD_HINTS.find(([words]) => words.test(said))?.[1];
}
