import type { Role } from '../../database/beside-names.ts';
import { type Connection, quoteIdentifier, quoteLiteral } from './connection.ts';

// the last line of a database's comment; what stands before it is its owner's
const MARK = /(?:^|\n)compose-db-backup: (?:restoring|previous|undone|picked) of ("(?:[^"\\]|\\.)*") \(oid (\d+)\)$/;

/** Whether a comment says that a restore of `live` made this very database, or put it aside: a name alone says nothing. */
export function isMarked(comment: string | null, { oid, live }: { oid: string; live: string }): boolean {
  const [, of = '""', markedOid] = MARK.exec(comment ?? '') ?? [];
  return markedOid === oid && JSON.parse(of) === live;
}

/** Whether a comment says that a restore made this very database, or put it aside, of whichever one. */
export function isOfRestore(comment: string | null, oid: string): boolean {
  return MARK.exec(comment ?? '')?.[2] === oid;
}

/** The comment as its owner wrote it; null for none. */
export function unmarked(comment: string | null): string | null {
  const own = comment?.replace(MARK, '') ?? '';
  return own === '' ? null : own;
}

/**
 * Says in the database's comment that it is ours, beside what stands there; without a role, that it is not any more. A part of
 * the transaction that the connection is in.
 */
export async function mark(connection: Connection, name: string, as?: { role: Role; live: string }): Promise<void> {
  const [row] = await connection.query<{ oid: string; comment: string | null }>(
    "select oid::text as oid, shobj_description(oid, 'pg_database') as comment from pg_database where datname = $1",
    [name],
  );
  if (!row) return;
  const own = unmarked(row.comment);
  const line = as && `compose-db-backup: ${as.role} of ${JSON.stringify(as.live)} (oid ${row.oid})`;
  const comment = [own, line].filter((part) => typeof part === 'string').join('\n');
  if (comment === (row.comment ?? '')) return;
  await connection.query(
    `comment on database ${quoteIdentifier(name)} is ${comment === '' ? 'null' : quoteLiteral(comment)}`,
  );
}
