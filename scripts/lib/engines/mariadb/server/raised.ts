import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, connect, quoteIdentifier, quoteLiteral } from './connection.ts';
import { type DatabaseRow, readDatabases } from './databases.ts';
import { isRaisedNote, keepsComments, RAISED_NOTE } from './marks.ts';

/** The most that a server takes in one statement. A row that it took is twice as long in a dump's hexadecimal. */
const LARGEST_PACKET = 1_073_741_824;
/** mariadb-dump's net_buffer_length; and more than the words before the rows of a statement. */
const ROWS_TOGETHER = 1_046_528;
const HEAD_BYTES = 16_384;
const PUT_BACK_WITHIN_MS = 30_000;
/** Whoever reads, sets or puts back one of these is alone in it. */
const TURN = 'compose-db-backup.raised';
const TURN_SECONDS = 30;

/** By the variable's name: what it was before, and what it is meanwhile. Both are numbers. */
type Raised = Readonly<Record<string, readonly [before: string, during: string]>>;

/** A variable that may be raised, and to what. */
const RAISED: Readonly<Record<string, string>> = {
  max_allowed_packet: String(LARGEST_PACKET),
  log_bin_trust_function_creators: '1',
};

/** A note on another server of a cluster is that one's; one of a server that is no more goes in time. */
const OTHERS_STAY_MS = 7 * 86_400_000;

/** What a run has raised, written down in the comment of an empty database before it is raised: a killed run's is read there. */
interface Note {
  readonly name: string;
  /** The server whose variables these are: some clusters have their databases in common. */
  readonly at: string;
  /** UTC. */
  readonly since: string;
  readonly raised: Raised;
}

interface FoundNote extends Note {
  readonly isAlive: boolean;
}

/** What a load needs of the server beside what a session can be given. */
export interface Needs {
  /** Bytes of the longest statement; undefined when that is not known. */
  readonly longestBytes?: number | undefined;
  /** It makes functions. */
  readonly makesFunctions: boolean;
}

/** The packet that a dump's longest statement needs: rows are put together up to a megabyte, and a longer one stands alone. */
export function packetFor(longestBytes: number | undefined): number {
  return longestBytes === undefined ? LARGEST_PACKET : Math.max(longestBytes, ROWS_TOGETHER) + HEAD_BYTES;
}

/** By the numbers of a database's code, by kind: without SUPER, the server asks the same of triggers. */
export const makesFunctions = (code: Readonly<Record<string, number>>): boolean =>
  ['function', 'package', 'trigger'].some((kind) => (code[kind] ?? 0) > 0);

/**
 * Widens, for as long as a restore takes, what a server's own configuration would keep out of what it once let in and no
 * session can set for itself: long rows, and with a binary log functions that are not deterministic. Where this user may
 * not, or the server could not tell the next run of it, they stay as they are.
 *
 * @returns puts them back; never rejects
 */
export async function raiseLimits(
  connection: Connection,
  source: DatabaseSource,
  needs: Needs,
): Promise<() => Promise<void>> {
  await putBackLeft(connection);
  const wanted = await wantedOf(connection, needs);
  if (wanted.length === 0 || !keepsComments(connection)) return async () => {};
  const name = `compose_db_backup_raised_${connection.id}`;
  try {
    await inTurn(connection, () => raise(connection, name, wanted));
  } catch (error) {
    log.info(`${wanted.join(', ')} stay as they are during the restore: ${messageOf(error)}`);
  }
  return async () => {
    try {
      // the restore's own connection may have been broken off; what it holds goes with it
      await connection.query('select release_lock(?)', [lockOf(name)]).catch(() => {});
      const own = await connect(source, AbortSignal.timeout(PUT_BACK_WITHIN_MS));
      await putBackLeft(own, connection.id).finally(() => own.close());
    } catch (error) {
      log.warn(`${wanted.join(', ')} may still be raised; the next run puts them back: ${messageOf(error)}`);
    }
  };
}

/** Puts back what runs that were killed had raised. What cannot be put back is told. */
export async function putBackLeft(connection: Connection, isOver?: number): Promise<void> {
  if (!(await readDatabases(connection)).some(isNote)) return;
  await inTurn(connection, async () => {
    const notes = await readNotes(connection, isOver);
    const dead = notes.filter(({ isAlive }) => !isAlive);
    // those who are still at work have noted the values from before all of them
    if (dead.length === notes.length) await putBack(connection, dead);
    await connection.query('set session sql_log_bin = 0').catch(() => {});
    for (const { name } of dead) await connection.query(`drop database if exists ${quoteIdentifier(name)}`);
    await connection.query('set session sql_log_bin = 1').catch(() => {});
  }).catch((error: unknown) => log.warn(`what a restore had raised could not be put back: ${messageOf(error)}`));
}

async function putBack(connection: Connection, notes: readonly FoundNote[]): Promise<void> {
  const now = await current(connection);
  for (const { raised } of notes) {
    for (const [variable, [before, during]] of Object.entries(raised)) {
      // somebody has set it since, or the server has been started again
      if (now[variable] !== during) continue;
      await connection.query(`set global ${variable} = ${before}`).catch((error: unknown) => {
        log.warn(`put this back by hand: SET GLOBAL ${variable} = ${before} (${messageOf(error)})`);
      });
    }
  }
}

/** Told by what the server has when nobody has raised it. */
async function wantedOf(connection: Connection, { longestBytes, makesFunctions }: Needs): Promise<string[]> {
  const { variables } = connection;
  const before = (await readNotes(connection)).flatMap(({ raised }) => raised.max_allowed_packet?.[0] ?? [])[0];
  const packet = Number(before ?? variables.get('max_allowed_packet') ?? LARGEST_PACKET);
  return [
    ...(packet < LARGEST_PACKET && packetFor(longestBytes) > packet ? ['max_allowed_packet'] : []),
    ...(makesFunctions && variables.get('log_bin') === 'ON' ? ['log_bin_trust_function_creators'] : []),
  ];
}

async function raise(connection: Connection, name: string, wanted: readonly string[]): Promise<void> {
  const now = await current(connection);
  const others = await readNotes(connection);
  const raised: Raised = Object.fromEntries(
    wanted.flatMap((variable) => {
      const during = RAISED[variable] ?? '';
      const earlier = others.flatMap((note) => note.raised[variable] ?? [])[0];
      const before = now[variable] === during ? earlier : now[variable];
      return before === undefined ? [] : [[variable, [before, during] as const]];
    }),
  );
  if (Object.keys(raised).length === 0) return;
  await connection.query('select get_lock(?, 0)', [lockOf(name)]);
  const note: Note = { name, at: await whereOf(connection), since: new Date().toISOString(), raised };
  // it is this server's, and none of its replicas'
  await connection.query('set session sql_log_bin = 0').catch(() => {});
  await connection
    .query(
      `create database ${quoteIdentifier(name)} comment ${quoteLiteral(`compose-db-backup: raised ${JSON.stringify(note)}`)}`,
    )
    .finally(() => connection.query('set session sql_log_bin = 1').catch(() => {}));
  for (const [variable, [, during]] of Object.entries(raised)) {
    await connection.query(`set global ${variable} = ${during}`).catch((error: unknown) => {
      log.info(`${variable} stays as it is during the restore: ${messageOf(error)}`);
    });
  }
}

const lockOf = (name: string) => `compose-db-backup.${name}`;

const isNote = ({ comment }: DatabaseRow) => isRaisedNote(comment);

/** Those of this server. @param isOver the connection of a run that has ended, whatever it still holds */
async function readNotes(connection: Connection, isOver?: number): Promise<FoundNote[]> {
  const here = await whereOf(connection);
  const notes: FoundNote[] = [];
  for (const { name, comment } of (await readDatabases(connection)).filter(isNote)) {
    const note = parse(comment);
    if (note?.name !== name) continue;
    if (note.at !== here) {
      if (Date.now() - new Date(note.since).getTime() > OTHERS_STAY_MS)
        notes.push({ ...note, raised: {}, isAlive: false });
      continue;
    }
    const [row] = await connection.query<{ holder: number | null }>('select is_used_lock(?) as holder', [lockOf(name)]);
    const holder = row?.holder ?? null;
    notes.push({ ...note, isAlive: holder !== null && Number(holder) !== isOver });
  }
  return notes;
}

/** A comment is data from outside: of it only numbers of variables that we know go into a statement. */
function parse(comment: string): Note | undefined {
  try {
    const note = JSON.parse(RAISED_NOTE.exec(comment)?.[1] ?? '') as Note;
    const entries = Object.entries(note.raised).filter(
      ([name, values]) => name in RAISED && values.every((value) => /^\d+$/.test(value)),
    );
    return { ...note, raised: Object.fromEntries(entries) };
  } catch {
    return undefined;
  }
}

async function whereOf(connection: Connection): Promise<string> {
  const [row] = await connection.query<{ here: string }>("select concat(@@hostname, ':', @@port) as here");
  return row?.here ?? '';
}

async function current(connection: Connection): Promise<Record<string, string>> {
  const [row] = await connection.query<Record<string, string>>(
    `select ${Object.keys(RAISED)
      .map((name) => `cast(@@global.${name} as char) as ${name}`)
      .join(', ')}`,
  );
  return row ?? {};
}

async function inTurn(connection: Connection, work: () => Promise<void>): Promise<void> {
  await connection.query('select get_lock(?, ?)', [TURN, TURN_SECONDS]);
  await work().finally(() => connection.query('select release_lock(?)', [TURN]).catch(() => {}));
}
