import { messageOf, OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { databaseSettings, settingAssignment } from '../dump/database-settings.ts';
import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { connectBeside } from '../server/databases.ts';

/** What would end or hinder a load, or change where its objects go: the dump says these itself, or our sessions do. */
const NOT_WHILE_LOADING =
  /^(search_path|role|session_authorization|.*_timeout|default_transaction_.*|session_replication_role|event_triggers|row_security|client_encoding|standard_conforming_strings|array_nulls|transform_null_equals|xmloption|quote_all_identifiers|check_function_bodies|default_tablespace|default_table_access_method|client_min_messages|log_.*|exit_on_error|zero_damaged_pages)$/i;

/** Libraries that each session of the database loads: one that is not there lets nobody in. */
const LIBRARIES = /^(session|local)_preload_libraries$/;

/** What the application goes by, too, long after the load. */
const LASTING = /^(lc_monetary|default_text_search_config)$/;

/** A setting of the database as the backup's globals have it, or as the catalogs do. */
interface Setting {
  readonly name: string;
  /** `"name" to value` */
  readonly assignment: string;
}

const NAME = '"(?:[^"]|"")*"';
const VALUE = "E?'(?:[^'\\\\]|''|\\\\.)*'";
const given = (subject: string) =>
  new RegExp(`^${subject} set ((${NAME}(?:\\.${NAME})*) to *${VALUE}(?:, *${VALUE})*);$`, 'gms');

/**
 * The settings of the dumped database, from the SQL that the backup has for its server; those of a role count before them.
 * @param role as whom it is loaded
 */
export function settingsOfGlobals(globals: string, role?: string): Setting[] {
  const named = role && quoteIdentifier(role).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const subjects = [
    'alter database :"DBNAME"',
    ...(named ? [`alter role ${named}`, `alter role ${named} in database :"DBNAME"`] : []),
  ];
  return subjects
    .flatMap((subject) => [...globals.matchAll(given(subject))])
    .map(([, assignment = '', quoted = '']) => ({
      name: [...quoted.matchAll(/"((?:[^"]|"")*)"/g)].map(([, part = '']) => part.replaceAll('""', '"')).join('.'),
      assignment,
    }));
}

export interface Place {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  /** The database that is filled. */
  readonly staging: string;
  readonly globals: string | undefined;
  readonly manifest: Manifest | undefined;
  /** The search path of the dumped database, too. */
  readonly ownSearchPath: boolean;
  readonly signal: AbortSignal;
}

/**
 * Gives the database that is filled the settings that the dumped one had, for a load may need them: checks read them,
 * generated columns are made by them, money is read by them. Settings of the dumped database's server that are others
 * here are given too.
 *
 * @returns what takes all of that back
 * @throws OperatorError RESTORE_REFUSED when money could be read only as other amounts
 */
export async function putInForce(place: Place): Promise<(by: Connection) => Promise<void>> {
  const { connection, source, staging, globals, manifest } = place;
  const subject = `alter database ${quoteIdentifier(staging)}`;
  const before = await databaseSettings(connection, staging);
  const dumped =
    globals === undefined
      ? (await databaseSettings(connection, source.database, source.user)).map(({ name, setting }) => ({
          name,
          assignment: settingAssignment(setting),
        }))
      : settingsOfGlobals(globals, source.loadsAs ?? source.user);
  const wanted = [
    ...dumped.filter(({ name }) => !NOT_WHILE_LOADING.test(name) || (place.ownSearchPath && name === 'search_path')),
    ...(await othersHere(place, dumped)),
  ];
  const failed: string[] = [];
  for (const { name, assignment } of wanted) {
    try {
      await connection.query(`${subject} set ${assignment}`);
    } catch (error) {
      place.signal.throwIfAborted();
      if (name === 'lc_monetary' && manifest?.serverSettings?.lc_monetary !== undefined) throw noMoney(manifest, error);
      failed.push(`${name} (${messageOf(error)})`);
    }
  }
  if (failed.length > 0)
    log.warn(`settings of the database that are not in force while it is loaded: ${failed.join(', ')}`);
  await leaveOutLibraries(place);
  return async (by) => {
    if (wanted.length === 0) return;
    await by.query(`${subject} reset all`);
    for (const { setting } of before) await by.query(`${subject} set ${settingAssignment(setting)}`);
  };
}

/** What changes the reading or the making of data, and is set otherwise on this server than where it was dumped. */
async function othersHere({ connection, manifest }: Place, dumped: readonly Setting[]): Promise<Setting[]> {
  const there = Object.entries(manifest?.serverSettings ?? {}).filter(
    ([name]) =>
      (LASTING.test(name) || /^(TimeZone|DateStyle|IntervalStyle)$/.test(name)) &&
      !dumped.some((setting) => setting.name.toLowerCase() === name.toLowerCase()),
  );
  const rows = await connection.query<{ name: string; value: string }>(
    'select name, reset_val as value from pg_settings where name = any($1)',
    [there.map(([name]) => name)],
  );
  const here = new Map(rows.map(({ name, value }) => [name, value]));
  const others = there.filter(([name, value]) => here.get(name) !== value);
  const lasting = others.filter(([name]) => LASTING.test(name));
  if (lasting.length > 0) {
    const said = lasting.map(([name, value]) => `${name} is ${here.get(name)} here and was ${value}`);
    log.warn(
      `the server is set otherwise than the one that was dumped: ${said.join(', ')}. The load goes by what it was; what is made later goes by what this server has`,
    );
  }
  return others.map(([name, value]) => ({
    name,
    assignment: `${quoteIdentifier(name)} to ${quoteLiteral(value)}`,
  }));
}

function noMoney(manifest: Manifest, cause: unknown): OperatorError {
  const locale = manifest.serverSettings?.lc_monetary;
  return new OperatorError(
    'RESTORE_REFUSED',
    `the backup has columns of the type money, written by lc_monetary ${locale}, which this server does not know: it would read other amounts`,
    {
      hint: `Install the locale ${locale} on the server (localedef, or the package locales-all), restart it, and restore again. Nothing was touched.`,
      cause,
    },
  );
}

/**
 * Takes libraries out of the database's settings that the server has not: nobody could connect to it. Only a superuser
 * can set them, and can ask whether they are there.
 */
export async function leaveOutLibraries({ connection, source, staging, signal }: Place): Promise<void> {
  if (!connection.isSuperuser) return;
  for (const { name, setting } of await databaseSettings(connection, staging)) {
    if (!LIBRARIES.test(name)) continue;
    const trial = await connectBeside(source, signal).catch(() => undefined);
    const prefix = name.startsWith('local') ? '$libdir/plugins/' : '';
    try {
      for (const library of setting.slice(name.length + 1).split(','))
        await trial?.query(`load ${quoteLiteral(prefix + library.trim().replace(/^"(.*)"$/, '$1'))}`);
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`${name} of the database is left out, for it would let nobody in: ${messageOf(error)}`);
      await connection.query(`alter database ${quoteIdentifier(staging)} reset ${name}`);
    } finally {
      await trial?.close();
    }
  }
}
