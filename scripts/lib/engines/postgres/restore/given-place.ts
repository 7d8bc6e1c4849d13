import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import { log } from '../../../terminal/log.ts';
import type { Connection } from '../server/connection.ts';

/** Whether text of one encoding is held by another as it is. */
export const holds = (encoding: string, dumped: string): boolean => encoding === dumped || encoding === 'UTF8';

/**
 * An empty database that somebody made is filled as it is, and its text is held and sorted in its own way. What can hold all
 * text is UTF8 alone: another encoding has no place for some of it, or takes its bytes for other letters, and SQL_ASCII for
 * none (https://www.postgresql.org/docs/current/multibyte.html). Another locale is told of: what is restored is the same, and
 * indexes, `ORDER BY` and `lower()` are not.
 *
 * @throws OperatorError RESTORE_REFUSED for an encoding that does not hold what was dumped
 */
export async function assertHoldsText(
  connection: Connection,
  database: string,
  manifest: Manifest | undefined,
): Promise<void> {
  const [found] = await connection.query<{ d: Record<string, string | null>; encoding: string }>(
    "select to_jsonb(d) - 'datacl' as d, pg_encoding_to_char(encoding) as encoding from pg_database d where datname = $1",
    [database],
  );
  if (!found || !manifest) return;
  const { d, encoding } = found;
  if (manifest.encoding !== undefined && !holds(encoding, manifest.encoding))
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the database ${database} is encoded in ${encoding}, and the one that was dumped in ${manifest.encoding}: its text would not fit in, or be taken for other letters`,
      {
        hint: `Drop it, and the restore makes it as it was; or make it anew: CREATE DATABASE … ENCODING '${manifest.encoding}' TEMPLATE template0. Nothing was touched.`,
      },
    );
  const here = localeOf(d.datlocprovider, d.datlocale ?? d.daticulocale, d.datcollate, d.datctype);
  const { localeProvider, locale, collation, characterType } = manifest;
  const dumped = localeOf(localeProvider, locale, collation, characterType);
  if (collation !== undefined && here !== dumped)
    log.warn(
      `${database} has the locale ${here}, and the database that was dumped ${dumped}: text is the same, its order and its small and capital letters may not be`,
    );
}

function localeOf(
  provider: string | null | undefined,
  locale: string | null | undefined,
  collation: string | null | undefined,
  characterType: string | null | undefined,
): string {
  if (provider === 'i') return `${locale} of ICU`;
  if (provider === 'b') return `${locale}, built in`;
  return collation === characterType ? `${collation}` : `${collation} (LC_CTYPE ${characterType})`;
}
