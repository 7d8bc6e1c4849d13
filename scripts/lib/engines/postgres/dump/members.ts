import type { SourceFacts } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { MemberWriting, SeenMembers } from '../../dumping.ts';
import type { Connection } from '../server/connection.ts';
import type { Passed, PassedMember } from '../server/passed.ts';
import { listTables, type SnapshotTable } from '../split/tables.ts';

const MIB = 1024 * 1024;

/** A database below that takes no longer by one session than by several: each has to be begun. */
const WORTH_MEMBERS_BYTES = 32 * MIB;
/** A table with that much of a dump has a member of its own; the meter holds it in memory until it knows. */
const LARGE_BYTES = { least: 4 * MIB, most: 32 * MIB };
/** How many members there are of tables, at most about twice: each compressor has to be started, one after the other. */
const MOST_MEMBERS = 256;
const GROUP_BYTES = 16 * MIB;

/**
 * How a plain dump is written in members; undefined where it is not: of a small database, or of one in another encoding than
 * UTF-8, for what is built upon its tables is read as text.
 *
 * @param connection in the transaction of the snapshot
 */
export async function memberWriting(
  connection: Connection,
  passed: Passed,
  { source, databaseBytes = 0, encoding }: { source: DatabaseSource } & Pick<SourceFacts, 'databaseBytes' | 'encoding'>,
): Promise<MemberWriting | undefined> {
  if (source.format !== 'sql' || encoding !== 'UTF8' || databaseBytes < WORTH_MEMBERS_BYTES) return undefined;
  const tables = await listTables(connection);
  const large = Math.round(Math.min(Math.max(databaseBytes / MOST_MEMBERS, LARGE_BYTES.least), LARGE_BYTES.most));
  return {
    args: [`--members=${large}:${Math.max(GROUP_BYTES, large)}`],
    seen: () => seenMembers(passed, tables),
  };
}

/** By the name that rows have in a dump: those of a partition may be written as those of its root. */
function byIdentity(tables: readonly SnapshotTable[]): Map<string, SnapshotTable> {
  const identity = (schema: string, relation: string) =>
    [schema, relation].map((name) => Buffer.from(name, 'utf8').toString('hex')).join('.');
  const viaRoot = tables.toSorted((a, b) => Number(a.isChecked) - Number(b.isChecked));
  return new Map([
    ...viaRoot.flatMap((table) =>
      table.via ? [[identity(table.via.schema, table.via.relation), table] as const] : [],
    ),
    ...tables.map((table) => [identity(table.schema, table.relation), table] as const),
  ]);
}

/** What the members hold; undefined where they are not what comes before rows, rows, and what is built upon them. */
export function seenMembers(
  { members, settings, isUnfit }: Pick<Passed, 'members' | 'settings' | 'isUnfit'>,
  tables: readonly SnapshotTable[],
): SeenMembers | undefined {
  const order = members.map(({ section }) => section[0]).join('');
  if (isUnfit() || !/^pd+p$/.test(order)) return undefined;
  const known = byIdentity(tables);
  const seen: SeenMembers['members'][number][] = [];
  for (const member of members) {
    const held = member.tables.map((name) => known.get(name));
    if (held.includes(undefined)) return undefined;
    const one = describe(member, held as SnapshotTable[]);
    if (one === undefined) return undefined;
    seen.push(one);
  }
  return { settings: lastOfEach(settings), members: seen };
}

function describe(
  { rawBytes, section, hasMore }: PassedMember,
  held: readonly SnapshotTable[],
): SeenMembers['members'][number] | undefined {
  // the foreign keys of extensions' tables are there already, and checked while their rows are loaded
  const isOfExtension = held.some(({ condition }) => condition !== null);
  const isChecked = held.some(({ isChecked, condition }) => isChecked && condition === null);
  // before and after the others cannot both be
  if (isOfExtension && isChecked) return undefined;
  const areOwn = held.length > 0 && !hasMore && held.every(({ condition, via }) => condition === null && via === null);
  return {
    rawBytes,
    section,
    ...(areOwn ? { tables: held.map(({ name }) => name) } : {}),
    ...(isOfExtension ? { inOrder: 'first' as const } : {}),
    ...(isChecked ? { inOrder: 'last' as const } : {}),
  };
}

/** What is set again counts as it was set last. */
function lastOfEach(settings: readonly string[]): string[] {
  const last = new Map<string, string>();
  for (const sql of settings) {
    const name = /^SET (\w+) /.exec(sql)?.[1] ?? sql;
    last.delete(name);
    last.set(name, sql);
  }
  return [...last.values()];
}
