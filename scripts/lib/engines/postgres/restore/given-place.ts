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

/** What is in no table, and yet becomes a part of what is restored, or does something to it. */
const CATALOGS = [
  'pg_default_acl',
  'pg_publication',
  'pg_event_trigger',
  'pg_cast',
  'pg_operator',
  'pg_opclass',
  'pg_opfamily',
  'pg_conversion',
  'pg_ts_config',
  'pg_ts_dict',
  'pg_ts_parser',
  'pg_ts_template',
  'pg_foreign_data_wrapper',
  'pg_foreign_server',
  'pg_language',
  'pg_am',
  'pg_transform',
];

// the server's own collations are made of what its machine has, when it is set up
const BESIDE_TABLES = `
  with own as (
    ${CATALOGS.map((name) => `select '${name}'::regclass as class, oid from ${name} union all`).join('\n    ')}
    select 'pg_collation'::regclass, oid from pg_collation where collnamespace <> 'pg_catalog'::regnamespace)
  select pg_describe_object(class, oid, 0) as what from own
  where oid >= 16384
    and not exists (select from pg_depend d where d.classid = own.class and d.objid = own.oid and d.deptype in ('e', 'i'))
  order by class = 'pg_default_acl'::regclass desc, 1`;

const PUBLIC_SCHEMA = `
  select exists (select from aclexplode(nspacl) where grantee = 0 and privilege_type = 'CREATE') as "isOpen"
  from pg_namespace where nspname = 'public'`;

/** From then on a new database lets its owner alone make something in the schema public. */
const PUBLIC_IS_CLOSED = 150_000;

/**
 * A database without tables may be set up for those that come: what everybody is granted on new tables would be granted on
 * the restored ones, whose dump says nothing of rights that nobody had there; a publication of all tables would hand them on.
 *
 * @param connection in the database
 * @throws OperatorError RESTORE_REFUSED for such, and for one that lacks the schema public
 */
export async function assertMixesWithNothing(
  connection: Connection,
  database: string,
  manifest: Manifest | undefined,
): Promise<void> {
  const found = (await connection.query<{ what: string }>(BESIDE_TABLES)).map(({ what }) => what);
  if (found.length > 0)
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the database ${database} has no tables, and is set up with what would become a part of what is restored: ${found.join(', ')}`,
      {
        hint: 'Take it out (ALTER DEFAULT PRIVILEGES … REVOKE …, DROP …) and put it back afterwards where it is wanted; or drop the database, and the restore makes it as it was. Nothing was touched.',
      },
    );
  const [schema] = await connection.query<{ isOpen: boolean }>(PUBLIC_SCHEMA);
  if (!schema && manifest?.dropped?.includes('schema public') !== true)
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the database ${database} has no schema public, which a dump relies on`,
      {
        hint: 'In it: CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC. Nothing was touched.',
      },
    );
  if (schema?.isOpen && connection.serverVersionNum >= PUBLIC_IS_CLOSED)
    log.warn(
      `in the schema public of ${database} everybody may make something, whether or not that was so where it was dumped: REVOKE CREATE ON SCHEMA public FROM PUBLIC ends it`,
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
