import { OperatorError } from '../../../errors.ts';

/** @throws OperatorError DUMP_INCOMPLETE when a dump does not end as mariadb-dump ends one */
export function assertComplete(tail: string): void {
  if (/\n-- Dump completed(?: on [^\n]*)?\n$/.test(tail)) return;
  throw new OperatorError(
    'DUMP_INCOMPLETE',
    "the dump does not end with mariadb-dump's completion marker: it is not whole",
    { hint: "Nothing of it is used. Look at the database server's log for the time of the dump." },
  );
}

/** The last statement of a dump of the client programs', with which it leaves a session as it was; before the marker, where there is one. */
const FAREWELL = /\n\/\*M?!\d+ SET (?:SQL_NOTES=@OLD_SQL_NOTES|NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY) \*\/;\s*$/;

/**
 * The same of a dump that has no manifest, which another program, or ours with other options, may have written.
 * @throws OperatorError DUMP_INCOMPLETE when its end does not tell that it is one
 */
export function assertForeignComplete(tail: string): void {
  const text = tail.replaceAll('\r\n', '\n');
  if (/\n-- Dump completed(?: on [^\n]*)?\n+$/.test(text) || FAREWELL.test(text)) return;
  throw new OperatorError(
    'DUMP_INCOMPLETE',
    'whether this dump is whole cannot be told: it ends neither with the completion marker nor with the last statement of a dump of mariadb-dump or mysqldump',
    {
      hint: "Look at its end (gunzip -c FILE | tail). When you know that it is whole, say so with a last line: { gunzip -c FILE; echo; echo '-- Dump completed'; } | gzip > the same name a second later, and restore that.",
    },
  );
}
