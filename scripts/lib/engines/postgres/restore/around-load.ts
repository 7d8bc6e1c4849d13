import { messageOf, OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type CalledAround, calledAroundOf, callMember, type Extension } from '../server/called-around.ts';
import { type Connection, connect, quoteIdentifier, quoteLiteral, sqlState } from '../server/connection.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
const TAKING_BACK_MS = 60_000;

/** What is loaded, and into what. */
export interface Around {
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly manifest: Manifest | undefined;
  readonly signal: AbortSignal;
}

/** What extensions were told of a load. */
export interface ToldOfLoad {
  /**
   * Calls what comes after it: they look whether what was loaded is theirs, and work again for those who ask. Their workers do not,
   * or they would change what is about to be compared.
   *
   * @throws OperatorError RESTORE_FAILED
   */
  loaded(): Promise<void>;
  /** Takes it back from a database that stays, as if nothing had been loaded. Never throws. */
  takeBack(): Promise<void>;
}

/**
 * Makes the extensions of the backup that have calls around a load, in the very version that was dumped, and calls what comes
 * before. From then on the database keeps still: none of their workers is in it until `resumeWork`.
 *
 * @throws OperatorError RESTORE_REFUSED
 */
export async function tellOfLoad(around: Around): Promise<ToldOfLoad> {
  const told: Told[] = [];
  const takeBack = async () => {
    for (const one of told) await abandon(around, one);
  };
  try {
    for (const { known, there } of calledAroundOf(around.manifest)) told.push(await tellOne(around, known, there));
  } catch (error) {
    await takeBack();
    throw error;
  }
  const loaded = async () => {
    for (const one of told) await inside(around, (connection) => tellItIsLoaded(connection, one));
  };
  return { loaded, takeBack };
}

/** An extension that was told. */
interface Told {
  readonly known: CalledAround;
  /** A database that had it before has it afterwards; in a schema that the dump makes, the dump makes it. */
  readonly madeBy: 'us' | 'somebody' | 'the dump';
  /** Statements that let its triggers be as they were. */
  readonly asBefore: readonly string[];
}

async function tellOne(around: Around, known: CalledAround, there: Extension): Promise<Told> {
  return inside(around, async (connection): Promise<Told> => {
    // at once, or a worker would be in it before it is told of the load
    await connection.query('begin');
    const madeBy = await make(connection, known, there);
    const fires = madeBy !== 'the dump' && hidesFromTriggers(connection, around.manifest);
    const asBefore = fires ? await fireAlways(connection, known) : [];
    const tell =
      madeBy === 'the dump'
        ? connection.query(`alter database ${quoteIdentifier(around.staging)} set ${known.setting} = 'on'`)
        : callMember(connection, known.name, known.before);
    await tell.catch((error: unknown) => {
      throw notAllowed(known, around.source, error);
    });
    await connection.query('commit');
    return { known, madeBy, asBefore };
  });
}

async function tellItIsLoaded(connection: Connection, { known, asBefore }: Told): Promise<void> {
  await connection.query('begin');
  try {
    for (const statement of asBefore) await connection.query(statement);
    await callMember(connection, known.name, known.after);
    // a worker that was called for waits for this transaction, and is ended before it has begun
    await callMember(connection, known.name, known.stop);
  } catch (error) {
    throw new OperatorError(
      'RESTORE_FAILED',
      `the extension ${known.name} does not take what was loaded: ${messageOf(error)}`,
      {
        hint: 'The live database is as it was. Where it is a matter of versions: restore on a server that has the one of the backup.',
        cause: error,
      },
    );
  }
  await connection.query('commit');
}

/** See `loadingOptions`: where event triggers can be passed over only together with every other one. */
const hidesFromTriggers = ({ isSuperuser, serverVersionNum }: Connection, manifest: Manifest | undefined) =>
  isSuperuser && serverVersionNum < 170_000 && (manifest?.eventTriggers ?? []).length > 0;

const OWN_TRIGGERS = `
  select format('alter table %I.%I', n.nspname, c.relname) as table, quote_ident(t.tgname) as trigger
  from pg_extension e join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
    and d.classid = 'pg_class'::regclass and d.deptype = 'e'
  join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
  join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled = 'O'
  where e.extname = $1 order by 1, 2`;

/** By its own triggers the rows that come with an extension make way for those that are loaded. @returns what undoes it */
async function fireAlways(connection: Connection, { name }: CalledAround): Promise<string[]> {
  const triggers = await connection.query<{ table: string; trigger: string }>(OWN_TRIGGERS, [name]);
  for (const { table, trigger } of triggers) await connection.query(`${table} enable always trigger ${trigger}`);
  return triggers.map(({ table, trigger }) => `${table} enable trigger ${trigger}`);
}

async function inside<T>(
  { source, staging, signal }: Omit<Around, 'manifest'>,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(source, staging, signal);
  return work(connection).finally(() => connection.close());
}

/** First of all that is done in a session: later on it would have loaded another version. */
async function make(
  connection: Connection,
  { name }: CalledAround,
  { version, schema = 'public' }: Extension,
): Promise<Told['madeBy']> {
  const [row] = await connection.query<{ here: string | null; hasSchema: boolean }>(
    `select (select extversion from pg_extension where extname = $1) as here,
       exists (select from pg_namespace where nspname = $2) as "hasSchema"`,
    [name, schema],
  );
  if (row?.here === version) return 'somebody';
  if (typeof row?.here === 'string')
    throw refused(
      `${name} is there in the version ${row.here}, and the backup is of ${version}, which alone reads its tables`,
      `Drop it first (DROP EXTENSION ${quoteIdentifier(name)}): the restore makes it in that version.`,
    );
  if (!row?.hasSchema) return 'the dump';
  try {
    await connection.query(
      `create extension ${quoteIdentifier(name)} with schema ${quoteIdentifier(schema)} version ${quoteLiteral(version)}`,
    );
  } catch (error) {
    throw refused(
      `the extension ${name} of the backup cannot be made here: ${messageOf(error)}`,
      `Have the server preload it (shared_preload_libraries = '${name}'), restart it, and restore again.`,
      error,
    );
  }
  return 'us';
}

function notAllowed({ name }: CalledAround, { user }: DatabaseSource, error: unknown): unknown {
  if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) return error;
  return refused(
    `the extension ${name} of the backup has to be told of a load, which the user ${user} may not: ${messageOf(error)}`,
    'Restore as a superuser.',
    error,
  );
}

function refused(message: string, hint: string, cause?: unknown): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, { hint: `${hint} The live database is as it was.`, cause });
}

/** Over a session of its own: an interrupt has broken the others off. */
async function abandon({ source, staging }: Around, { known, madeBy, asBefore }: Told): Promise<void> {
  const { name, setting } = known;
  const database = quoteIdentifier(staging);
  const signal = AbortSignal.timeout(TAKING_BACK_MS);
  await inside({ source, staging, signal }, async (connection) => {
    await connection.query(`alter database ${database} reset ${setting}`);
    if (madeBy === 'us') await connection.query(`drop extension ${quoteIdentifier(name)}`);
    if (madeBy !== 'somebody') return;
    for (const statement of asBefore) await connection.query(statement);
    await callMember(connection, name, known.start);
  }).catch((error: unknown) =>
    log.warn(
      `the extension ${name} may take ${staging} for a database that is being loaded (${messageOf(error)}). In it: SELECT ${known.after}();`,
    ),
  );
}
