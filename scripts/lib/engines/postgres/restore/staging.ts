import { messageOf, OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, connect, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { assertMixesWithNothing, holds } from './given-place.ts';

// everything that somebody made, but for what came with an extension; an index is its table's
const OBJECTS_OF_USERS = `
  with own as (
    select 'pg_class'::regclass as class, oid, relnamespace as schema from pg_class where relkind not in ('i', 'I')
    union all select 'pg_proc'::regclass, oid, pronamespace from pg_proc
    union all select 'pg_type'::regclass, oid, typnamespace from pg_type where typtype in ('d', 'e', 'r')
    union all select 'pg_namespace'::regclass, oid, oid from pg_namespace where nspname <> 'public')
  select (
    (select count(*) from own join pg_namespace n on n.oid = own.schema
     where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
       and not exists (select from pg_depend d where d.classid = own.class and d.objid = own.oid and d.deptype in ('e', 'i')))
    + (select count(*) from pg_largeobject_metadata)
  )::text as n`;

/** Whether a database holds nothing that somebody made. One that cannot be looked into is taken for full. */
export async function isEmpty(source: DatabaseSource, database: string, signal: AbortSignal): Promise<boolean> {
  try {
    const connection = await connect(source, database, signal);
    return await hasNothing(connection).finally(() => connection.close());
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

async function hasNothing(connection: Connection): Promise<boolean> {
  const [row] = await connection.query<{ n: string }>(OBJECTS_OF_USERS);
  return row?.n === '0';
}

/** @throws OperatorError RESTORE_REFUSED for a database that holds anything that somebody made, or is set up for what comes */
export async function assertEmpty(
  source: DatabaseSource,
  database: string,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<void> {
  const connection = await connect(source, database, signal);
  try {
    if (await hasNothing(connection)) return await assertMixesWithNothing(connection, database, manifest);
  } finally {
    await connection.close();
  }
  throw new OperatorError('RESTORE_REFUSED', `the database ${database} exists and is not empty`, {
    hint: 'Name a database that does not exist yet, or an empty one. Without --to, the live database is swapped safely.',
  });
}

/**
 * CREATE DATABASE with the encoding and locale of the live database, or else of the dumped one, also where the live one was made
 * anew in an encoding that does not hold what was dumped. It has the live one's
 * owner from the start, where this role may give it away: an owner of tables in it needs the rights of its owner.
 */
export async function createStatement(
  connection: Connection,
  name: string,
  like: string,
  manifest: Manifest | undefined,
): Promise<string> {
  const [live] = await connection.query<{
    d: Record<string, string | null>;
    encoding: string;
    tablespace: string;
    owner: string | null;
  }>(
    `select to_jsonb(d) - 'datacl' as d, pg_encoding_to_char(encoding) as encoding, t.spcname as tablespace,
       case when pg_has_role(datdba, 'MEMBER') then pg_get_userbyid(datdba) end as owner
     from pg_database d join pg_tablespace t on t.oid = d.dattablespace where datname = $1`,
    [like],
  );
  const isLike = live !== undefined && (manifest?.encoding === undefined || holds(live.encoding, manifest.encoding));
  if (live && !isLike)
    log.warn(
      `${like} is encoded in ${live.encoding}, which does not hold what was dumped in ${manifest?.encoding}: the restored one has the encoding and locale that were dumped`,
    );
  const d = isLike ? live.d : {};
  const encoding = isLike ? live.encoding : manifest?.encoding;
  const collate = d.datcollate ?? manifest?.collation;
  const ctype = d.datctype ?? manifest?.characterType;
  const provider = d.datlocprovider ?? manifest?.localeProvider;
  const locale = d.datlocale ?? d.daticulocale ?? manifest?.locale;
  const rules = isLike ? d.daticurules : manifest?.icuRules;
  const tablespace = live ? live.tablespace : manifest?.defaultTablespace;
  const parts = [
    `create database ${quoteIdentifier(name)} template template0`,
    live?.owner && `owner ${quoteIdentifier(live.owner)}`,
    encoding && `encoding ${quoteLiteral(encoding)}`,
    collate && `lc_collate ${quoteLiteral(collate)}`,
    ctype && `lc_ctype ${quoteLiteral(ctype)}`,
    provider === 'i' && locale && `locale_provider icu icu_locale ${quoteLiteral(locale)}`,
    provider === 'b' && locale && `locale_provider builtin builtin_locale ${quoteLiteral(locale)}`,
    rules && `icu_rules ${quoteLiteral(rules)}`,
    tablespace && tablespace !== 'pg_default' && `tablespace ${quoteIdentifier(tablespace)}`,
  ];
  return parts.filter(Boolean).join(' ');
}

/** Takes out of a new database what the dumped one had not: rights on a schema public that nobody expects are rights. */
export async function dropWhatItLacked(
  source: DatabaseSource,
  staging: string,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<void> {
  const dropped = (manifest?.dropped ?? []).filter((what) => ['schema public', 'extension plpgsql'].includes(what));
  if (dropped.length === 0) return;
  const connection = await connect(source, staging, signal);
  try {
    for (const what of dropped)
      await connection.query(`drop ${what.replace(' ', ' if exists ')}`).catch((error: unknown) => {
        signal.throwIfAborted();
        log.warn(`the ${what}, which the dumped database had not, stays in the restored one: ${messageOf(error)}`);
      });
  } finally {
    await connection.close();
  }
}

/** Runs a CREATE DATABASE. @throws OperatorError RESTORE_REFUSED that names a locale which the server has not */
export async function create(connection: Connection, statement: string): Promise<void> {
  try {
    await connection.query(statement);
  } catch (error) {
    if (!/invalid (LC_\w+ )?locale name/.test(messageOf(error))) throw error;
    const names = [...new Set([...statement.matchAll(/lc_(?:collate|ctype) '([^']*)'/g)].map(([, name = '']) => name))];
    const locale = names.join(', ');
    const built = names.map((name) => `localedef -i ${name.split(/[.@]/)[0]} -f UTF-8 ${name}`).join('; ');
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the server lacks the locale ${locale} that the database has: it is not installed there, or of another name`,
      {
        hint: `Install it in the server's image or on its machine (${built}, or the package locales-all), restart the server and restore again; or make a database with another locale and restore into that: --to DB. Nothing was touched.`,
        cause: error,
      },
    );
  }
}
