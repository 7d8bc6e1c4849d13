import type { Role } from '../../database/beside-names.ts';
import { type Connection, quoteLiteral } from './connection.ts';

// of the whole comment: on MariaDB what a restore makes beside a live database is made with it, and has no other
const MARK = /^compose-db-backup: (?:restoring|previous|undone|picked) of ("(?:[^"\\]|\\.)*") as ("(?:[^"\\]|\\.)*")$/;

/** What a run has raised on the server stands in the comment of a database of its own: see raised.ts. */
export const RAISED_NOTE = /^compose-db-backup: raised (\{.*\})$/;
export const isRaisedNote = (comment: string): boolean => RAISED_NOTE.test(comment);

/** A server from this version on keeps a comment of a database. */
const COMMENTS_SINCE = 100_500;

/** What a database says of itself: whose it is, in which role, and under which name it was made. */
export interface Mark {
  readonly role: Role;
  readonly live: string;
  readonly name: string;
}

/** Whether a server can say of a database what it is; one that cannot leaves it to people. */
export const keepsComments = ({ server }: Connection): boolean => server.number >= COMMENTS_SINCE;

/**
 * The end of CREATE DATABASE: it makes the database ours in the same statement, so that there is no moment in which it is
 * there and nobody's.
 */
export function markClause(connection: Connection, mark: Mark): string {
  return keepsComments(connection) ? ` comment ${quoteLiteral(markText(mark))}` : '';
}

/** What a database of ours has for its comment. */
export const markText = ({ role, live, name }: Mark): string =>
  `compose-db-backup: ${role} of ${JSON.stringify(live)} as ${JSON.stringify(name)}`;

/**
 * Whether a comment says that a restore of `live` made the database of this name. A copy of it under another name, or a
 * database that is only named alike, is not ours.
 */
export function isMarked(comment: string | null, { live, name }: { live: string; name: string }): boolean {
  const [, of = '""', as = '""'] = MARK.exec(comment ?? '') ?? [];
  return name !== '' && JSON.parse(of) === live && JSON.parse(as) === name;
}

/** Of which live database a comment says that a restore made the one of this name; undefined for what is not ours. */
export function markedFor(comment: string | null, name: string): string | undefined {
  const [, of, as = '""'] = MARK.exec(comment ?? '') ?? [];
  return of !== undefined && JSON.parse(as) === name ? (JSON.parse(of) as string) : undefined;
}
