import { messageOf } from '../errors.ts';
import type { Parse } from './values.ts';

/** A part of a URL as it is meant. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error('holds a % that encodes nothing; write %25 for a % in a name or password');
  }
}

/** The parser, whose problems say which part of the URL they are about. */
export function ofQuery<T>(name: string, parse: Parse<T>): Parse<T> {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new Error(`?${name}=${text} ${messageOf(error)}`);
    }
  };
}

/** @throws Error naming what the query may not have */
export function assertKnown(query: URLSearchParams, known: readonly string[]): void {
  const foreign = [...query.keys()].filter((name) => !known.includes(name));
  if (foreign.length > 0) throw new Error(`?${foreign.join(', ?')} is unknown; there are ?${known.join(' and ?')}`);
}
