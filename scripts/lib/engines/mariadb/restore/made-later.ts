import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import { type CodeKind, type CodeObject, listCode } from '../server/code-objects.ts';
import type { Connection } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import { listDatabases } from '../server/databases.ts';
import { requalify } from '../server/view-text.ts';
import { createViews } from '../server/views.ts';

/** Where the load filter writes down what is made when all else has been loaded. */
export interface Later {
  readonly path: string;
  /** For code that is made apart. */
  readonly code: string;
  remove(): void;
}

export function laterFile(): Later {
  const folder = mkdtempSync(join(tmpdir(), 'mariadb-load-'));
  return {
    path: join(folder, 'later'),
    code: join(folder, 'code'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** An object that a restore could not make for a reason that is none of the backup's. */
export interface LeftOut {
  readonly kind: CodeKind;
  readonly name: string;
  readonly why: string;
}

const leftOutOf = new Map<string, readonly LeftOut[]>();

/** What the restore into this database of this process left out, with a word. */
export const leftOut = (staging: string): readonly LeftOut[] => leftOutOf.get(staging) ?? [];

const withHistory = new Set<string>();

/** Whether former versions of rows came with what was loaded into this database by this process. */
export const cameWithHistory = (staging: string): boolean => withHistory.has(staging);

const unquote = (quoted: string) => quoted.slice(1, -1).replaceAll('``', '`');

interface Noted {
  readonly views: readonly CodeObject[];
  readonly events: readonly string[];
  readonly hasHistory: boolean;
  /** Of tables that are not InnoDB's. */
  readonly engines: readonly { readonly table: string; readonly engine: string }[];
}

function read(path: string, dumped: string, staging: string): Noted {
  const views: CodeObject[] = [];
  const events: string[] = [];
  const engines: { table: string; engine: string }[] = [];
  let hasHistory = false;
  for (const line of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
    const [what, name = '', charset = '', collation = '', text = ''] = line
      .split(' ')
      .map((field) => Buffer.from(field, 'hex').toString('utf8'));
    if (what === 'history') hasHistory = true;
    if (what === 'engine') engines.push({ table: displayName(name.replaceAll('``', '`')), engine: charset });
    if (what === 'event') events.push(unquote(name));
    if (what !== 'view') continue;
    views.push({
      kind: 'view',
      name: unquote(name),
      sql: requalify(text, dumped, staging),
      sqlMode: '',
      charset: charset || 'utf8mb4',
      collation: collation || 'utf8mb4_general_ci',
    });
  }
  return { views, events, hasHistory, engines };
}

/** What is made of which dump, and where. */
export interface LaterOrder {
  readonly path: string;
  readonly dumped: string;
  readonly staging: string;
  /** Takes what its own definition does not let be made; without it, such a thing is an error. */
  readonly broken?: LeftOut[] | undefined;
}

/**
 * Makes the views of a dump once its tables and functions are there, and sees which events the server did not make.
 * A view of another database's tables that are not there is left out with a word: that database may be restored after
 * this one, and in a drill it never is.
 *
 * @throws OperatorError RESTORE_FAILED naming a view that cannot be made though all that it needs should be there
 */
export async function makeLater(connection: Connection, { path, dumped, staging, broken }: LaterOrder): Promise<void> {
  const { views, events, hasHistory, engines } = read(path, dumped, staging);
  await tellOfEngines(connection, staging, engines);
  if (hasHistory) withHistory.add(staging);
  const others = (await listDatabases(connection)).filter((name) => name !== staging);
  const without: LeftOut[] = [];
  for (const { object, reason } of await createViews(connection, staging, views)) {
    const elsewhere = foreignTables(object.sql, staging);
    const isOwn =
      elsewhere.length === 0 && !views.some(({ name }) => object.sql.includes(`\`${name}\``) && name !== object.name);
    if (isOwn && broken) {
      broken.push({ kind: 'view', name: object.name, why: reason });
      continue;
    }
    if (isOwn)
      throw new OperatorError('RESTORE_FAILED', `the view ${displayName(object.name)} could not be made: ${reason}`, {
        hint: 'Mend or drop it at the source and back up again. For the data tonight: restore with --without-broken, which goes on without it and says so.',
      });
    const absent = [...new Set(elsewhere)].filter((name) => !others.includes(name));
    const why =
      elsewhere.length > 0 ? 'the view reads another database, which is not there' : 'the view reads what is not there';
    without.push({ kind: 'view', name: object.name, why });
    log.warn(
      `the view ${displayName(object.name)} is left out: ${reason}. ${absent.length > 0 ? `It reads ${absent.join(', ')}, which is not on this server: restore that first, then this again` : 'It reads what is not there'}`,
    );
  }
  const there = new Set(
    (await listCode(connection, staging)).filter(({ kind }) => kind === 'event').map(({ name }) => name),
  );
  const isBroken = (name: string) => broken?.some((each) => each.kind === 'event' && each.name === name);
  const over = events.filter((name) => !there.has(name) && !isBroken(name));
  if (over.length > 0) {
    without.push(...over.map((name) => ({ kind: 'event', name, why: 'the time of the event is over' }) as const));
    log.warn(
      `events whose time is over are left out, as the server makes none such: ${over.map(displayName).join(', ')}`,
    );
  }
  leftOutOf.set(staging, [...without, ...(broken ?? [])]);
}

const enginesOf = new Map<string, Readonly<Record<string, string>>>();

/** The tables, as people write them, of a restore of this process whose storage engine the server lacks, and which that is. */
export const otherEngines = (staging: string): Readonly<Record<string, string>> => enginesOf.get(staging) ?? {};

/**
 * A server makes a table whose storage engine it lacks in its default one, and with enforce_storage_engine any table in that,
 * without an error.
 * @throws OperatorError RESTORE_FAILED where tables of InnoDB were made in another one, and have lost their foreign keys and transactions
 */
async function tellOfEngines(connection: Connection, staging: string, engines: Noted['engines']): Promise<void> {
  const { enforcedEngine } = connection;
  const rows = await connection.query<{ name: string }>(
    "select engine as name from information_schema.engines where support in ('YES', 'DEFAULT')",
  );
  const supported = new Set(rows.map(({ name }) => name.toLowerCase()));
  const others = engines.filter(({ engine }) =>
    enforcedEngine ? engine.toLowerCase() !== enforcedEngine.toLowerCase() : !supported.has(engine.toLowerCase()),
  );
  if (enforcedEngine) await assertStillInnoDb(connection, staging, { engines, enforcedEngine });
  enginesOf.set(staging, Object.fromEntries(others.map(({ table, engine }) => [table, engine])));
  if (others.length === 0) return;
  const named = others.map(({ table, engine }) => `${table} (${engine})`).join(', ');
  log.warn(
    enforcedEngine
      ? `this server makes every table of this user in ${enforcedEngine} (enforce_storage_engine), also those that were in another one: ${named}. ALTER TABLE … ENGINE by a user with SUPER gives it back`
      : `this server lacks the storage engines of some tables, and has made them in another: ${named}. INSTALL SONAME gives it the engine, ALTER TABLE … ENGINE the table`,
  );
}

async function assertStillInnoDb(
  connection: Connection,
  staging: string,
  { engines, enforcedEngine }: { engines: Noted['engines']; enforcedEngine: string },
): Promise<void> {
  const made = await connection.query<{ name: string }>(
    `select table_name as name from information_schema.tables
      where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and engine <> 'InnoDB' order by table_name`,
    [staging],
  );
  const noted = new Set(engines.map(({ table }) => table));
  const changed = made.map(({ name }) => displayName(name)).filter((name) => !noted.has(name));
  if (changed.length === 0) return;
  throw new OperatorError(
    'RESTORE_FAILED',
    `enforce_storage_engine made tables of InnoDB in ${enforcedEngine}, without their foreign keys: ${changed.join(', ')}`,
    {
      hint: 'Restore as a user who may say otherwise (SUPER), or SET GLOBAL enforce_storage_engine = NULL until it is restored.',
    },
  );
}

/** The databases, other than its own, whose tables a view names. */
function foreignTables(sql: string, own: string): string[] {
  const names = [...sql.matchAll(/`((?:[^`]|``)*)`\.`(?:[^`]|``)*`(?!\.)/g)].map(([, name = '']) =>
    name.replaceAll('``', '`'),
  );
  const aliases = new Set(
    [...sql.matchAll(/`\.`((?:[^`]|``)*)`| `((?:[^`]|``)*)`(?!\.)/g)].map(([, a, b]) => a ?? b ?? ''),
  );
  return names.filter((name) => name !== own && !aliases.has(name));
}

/** Counts with what was left out, so that they compare with those of the dump. */
export function withLeftOut(counts: Readonly<Record<string, number>>, staging: string): Record<string, number> {
  const all = { ...counts };
  for (const { kind } of leftOut(staging)) all[kind] = (all[kind] ?? 0) + 1;
  return all;
}
