import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import type { MeterProgram } from '../../../pipeline/meter.ts';
import type { Contents } from '../../../repository/manifest.ts';
import type { Connection } from './connection.ts';
import { countLargeObjects, listRelations } from './contents.ts';

/** The meter that sees what a plain dump holds. */
export const DUMP_METER = fileURLToPath(new URL('./dump-meter.pl', import.meta.url));

/** What a dump was seen to hold while it passed. Names are as the dump's own bytes have them. */
export interface Passed {
  /** The meter that sees it. */
  readonly meter: MeterProgram;
  /** How many rows each COPY had, in their order. */
  readonly rows: readonly { readonly table: string; readonly rows: number }[];
  /** Where each sequence is set. */
  readonly sequences: ReadonlyMap<string, { readonly value: string; readonly isCalled: boolean }>;
  /** Of a dump that is written in members, each of them. */
  readonly members: readonly PassedMember[];
  /** Statements that set the session up, as they stood before the first rows. */
  readonly settings: readonly string[];
  /** Rows came after what is built upon tables: its members cannot be loaded each by itself. */
  isUnfit(): boolean;
}

/** A member of a dump: see member-writer.pl. */
export interface PassedMember {
  readonly rawBytes: number;
  readonly section: 'pre-data' | 'data' | 'post-data';
  /** It holds something else than rows, too. */
  readonly hasMore: boolean;
  /** The tables of its rows, spelled as in `rows`. */
  readonly tables: readonly string[];
}

/**
 * Watches a dump pass.
 * @param pgRestore the program that reads it, where it is an archive
 */
export function watchDump(pgRestore?: string): Passed {
  const rows: { table: string; rows: number }[] = [];
  const sequences = new Map<string, { value: string; isCalled: boolean }>();
  const members: PassedMember[] = [];
  const settings: string[] = [];
  let isUnfit = false;
  let ofMembers = 0;
  const takeMember = (line: string): boolean => {
    const [, bytes, section, what] = /^MEMBER (\d+) (pre-data|data|post-data) (rows|more)$/.exec(line) ?? [];
    const setting = /^SETTING ([0-9a-f]+)$/.exec(line)?.[1];
    if (section !== undefined) {
      const tables = rows.slice(ofMembers).map(({ table }) => table);
      members.push({
        rawBytes: Number(bytes),
        section: section as PassedMember['section'],
        hasMore: what === 'more',
        tables,
      });
      ofMembers = rows.length;
    }
    if (setting !== undefined) settings.push(Buffer.from(setting, 'hex').toString('utf8').trim());
    isUnfit ||= line === 'UNFIT';
    return section !== undefined || setting !== undefined || line === 'UNFIT';
  };
  const onLine = (line: string): boolean => {
    if (takeMember(line)) return true;
    const copied = /^ROWS (\d+) ([0-9a-f]*)$/.exec(line);
    if (copied) rows.push({ table: identityOf(copied[2] ?? ''), rows: Number(copied[1]) });
    const set = /^SETVAL (-?\d+) (true|false) ([0-9a-f]*)$/.exec(line);
    if (set) {
      // the name stands in a literal
      const name = Buffer.from(set[3] ?? '', 'hex')
        .toString('latin1')
        .replaceAll("''", "'");
      sequences.set(identityOf(Buffer.from(name, 'latin1').toString('hex')), {
        value: set[1] ?? '',
        isCalled: set[2] === 'true',
      });
    }
    return copied !== null || set !== null;
  };
  const args = pgRestore === undefined ? [] : [`--archive=${pgRestore}`];
  return {
    meter: { path: DUMP_METER, args, onLine },
    rows,
    sequences,
    members,
    settings,
    isUnfit: () => isUnfit,
  };
}

/** `schema.relation`, each in hexadecimal and without its quotes: how a name is quoted varies with the version that writes it. */
function identityOf(spelledInHex: string): string {
  const spelled = Buffer.from(spelledInHex, 'hex').toString('latin1');
  const parts = spelled.match(/"(?:[^"]|"")*"|[^".]+/g) ?? [];
  return parts
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
    .map((part) => Buffer.from(part, 'latin1').toString('hex'))
    .join('.');
}

/**
 * What a dump holds, by what has passed of it and the catalog of its own snapshot. No table is read for it, and none is
 * locked: who waits to alter one waits for pg_dump alone.
 *
 * @param omitted what is not in the dump, and what is in it without its rows
 * @returns to be called when the dump has ended
 */
export async function contentsAsPassed(
  connection: Connection,
  passed: Passed,
  omitted?: { isGone(name: string): boolean; isEmptied(name: string): boolean },
): Promise<() => Contents> {
  const listed = async (kind: 'r' | 'S') =>
    (await listRelations(connection, kind)).filter(({ name }) => omitted?.isGone(name) !== true);
  const tables = await listed('r');
  const sequences = (await listed('S')).filter(({ name }) => omitted?.isEmptied(name) !== true);
  const largeObjects = await countLargeObjects(connection);
  return () => {
    const seen = new Map<string, number>();
    for (const { table, rows } of passed.rows) seen.set(table, (seen.get(table) ?? 0) + rows);
    const rows = new Map<string, number>();
    const missing: string[] = [];
    for (const { name, identity, root } of tables) {
      // pg_dump may write it as a part of its root, or as itself
      const own = seen.get(identity);
      const shared = root === null || rows.has(root.name) ? undefined : seen.get(root.identity);
      const isExpected = omitted?.isEmptied(name) !== true;
      if (isExpected && own === undefined && (root === null || !seen.has(root.identity))) missing.push(name);
      const counted = root?.name ?? name;
      rows.set(counted, (rows.get(counted) ?? 0) + (own ?? 0) + (shared ?? 0));
    }
    const positions = sequences.map(({ name, identity }) => ({ name, position: passed.sequences.get(identity) }));
    missing.push(...positions.flatMap(({ name, position }) => (position === undefined ? [name] : [])));
    if (missing.length > 0) throw notDumped(missing);
    return {
      tables: [...rows].map(([table, count]) => ({ table, rows: count })),
      sequences: positions.flatMap(({ name, position }) => (position ? [{ sequence: name, ...position }] : [])),
      largeObjects,
    };
  };
}

function notDumped(names: readonly string[]): OperatorError {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return new OperatorError('DUMP_INCOMPLETE', `pg_dump wrote nothing of ${names.slice(0, 5).join(', ')}${more}`, {
    hint: 'Nothing of it is used. This should not happen: please report it.',
  });
}
