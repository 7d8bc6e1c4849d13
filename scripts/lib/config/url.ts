import { messageOf } from '../errors.ts';
import type { Parse } from './values.ts';

/**
 * A variable's URL, undefined when it is none. Line breaks and tabs, which every reader of URLs takes out of their middle
 * (https://url.spec.whatwg.org/#concept-basic-url-parser), would make another name of what they stand in.
 *
 * @throws Error for a URL that holds such a character
 */
export function urlOf(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  if (/[\t\r\n]/.test(text.trim())) throw new Error('holds a line break or a tab; write %0A or %09 for one in a name');
  return new URL(text);
}

/** A part of a URL as it is meant. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error('holds a % that encodes nothing; write %25 for a % in a name or password');
  }
}

/** Whether it is a URL with a user, and maybe a password, in it. */
export const holdsKeys = (text: string): boolean => /\/\/[^/]*@/.test(text);

/** The parser, whose problems say which part of the URL they are about. */
export function ofQuery<T>(name: string, parse: Parse<T>): Parse<T> {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new Error(`?${name}=${holdsKeys(text) ? '…' : text} ${messageOf(error)}`);
    }
  };
}

/** @throws Error naming what the query may not have */
export function assertKnown(query: URLSearchParams, known: readonly string[]): void {
  const foreign = [...query.keys()].filter((name) => !known.includes(name));
  if (foreign.length > 0) throw new Error(`?${foreign.join(', ?')} is unknown; there are ?${known.join(' and ?')}`);
}

/** What frameworks write into the URL of their database for themselves. */
const OF_FRAMEWORKS =
  /^(schema|connection_limit|pool_timeout|pool_size|pgbouncer|socket_timeout|statement_cache_size|connect_timeout|application_name|channel_binding|target_session_attrs|sslaccept|serverVersion|server_version|charset|encoding|reconnect|pool|timeout|prepared_statements)$/;

/** Takes such words out of the query. @returns a warning for them, if there were any */
export function takePassedOver(query: URLSearchParams, variable: string): string[] {
  const names = [...new Set(query.keys())].filter((name) => OF_FRAMEWORKS.test(name));
  for (const name of names) query.delete(name);
  if (names.length === 0) return [];
  const whole = names.includes('schema') ? '; all schemas of the database are backed up' : '';
  return [`${variable}: ?${names.join(', ?')} is another program's and passed over${whole}`];
}
