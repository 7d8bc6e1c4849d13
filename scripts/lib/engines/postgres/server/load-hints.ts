import type { Stage } from '../../../pipeline/chain.ts';

/** What a load that fails by the dump's own faults means, by the server's words, and the way to the data all the same. */
export const LOAD_HINTS: NonNullable<Stage['hints']> = [
  [
    /violates (foreign key|check|not-null|exclusion|unique) constraint|could not create (unique index|exclusion constraint)|is violated by some row|contains null values/i,
    'The rows break a constraint of their own, at the source too: mend them there and back up again. For the data tonight: restore with --without-broken, which keeps every row, adds such a constraint NOT VALID or leaves it out, and says so.',
  ],
  [
    /relation "(?:[^"]|"")+\.(?:[^"]|"")+" does not exist[\s\S]*CONTEXT: +COPY/i,
    'A value of the type regclass names what a load makes only when the rows are there, such as an index, or what is gone: keep such names as text at the source. For the data tonight: gunzip -c FILE, make what the message names before the rows of that table, and load it by psql.',
  ],
  [
    /(type|function|relation|operator|collation|schema|text search (configuration|dictionary)|procedure) .* does not exist/i,
    'A function that is called without its schema is found by search_path, which a dump empties. Before the next backup: ALTER FUNCTION … SET search_path = … at the source, for the function that the message names, unless it belongs to an extension, of which no dump has what was altered. For the data tonight: restore with --own-search-path, which loads with the path that the database has; or with --without-broken, which leaves the index or check out and says so.',
  ],
  [
    /must be (?:a )?member of role|must be able to SET ROLE|must be superuser to (?:create|alter)|must be owner of|permission denied to (?:create|alter|set)/i,
    'The user of the restore may not give what is restored its owner, or make it: restore as a superuser, or GRANT it the role that the message names first, and those of all other owners.',
  ],
  [
    /unrecognized configuration parameter "[^"]*\./i,
    'A check, a generated column or a function reads a setting that the configuration of the dumped server, or a role, has, and no backup. At the source: ALTER DATABASE … SET … = …, which a backup carries, and back up again. For the data tonight: the same setting in the configuration of this server (ALTER SYSTEM SET, pg_reload_conf()), or restore with --without-broken.',
  ],
];

/** For any other statement that a server refuses, while no rows come. */
export const ANY_REFUSAL: (typeof LOAD_HINTS)[number] = [
  /^(?![\s\S]*CONTEXT: +COPY)[\s\S]*ERROR: /,
  'For the data tonight, if it is the definition itself that is at fault: restore with --without-broken, which goes on without that object and says so, and never leaves out rows.',
];

/** The next step for what a server has said of a statement of the dump. */
export function loadHint(said: string): string | undefined {
  return LOAD_HINTS.find(([words]) => words.test(said))?.[1];
}
