import { decode, type Endpoint, postJson } from './http.ts';
import type { Message } from './message.ts';

export type Kind = 'webhook' | 'slack' | 'discord' | 'ntfy' | 'telegram' | 'smtp';

/** Somebody to tell. Its secrets are inside `send` only, so that printing a target tells none. */
export interface Target {
  readonly kind: Kind;
  /** With the port, when one is given. */
  readonly host: string;
  /** One attempt. Throws an Error that says why it failed, without secrets; a Refusal when to try again is no use. */
  send(message: Message, signal: AbortSignal): Promise<void>;
}

/** One entry of NOTIFY_URL. */
export interface Address {
  /** As it is written. */
  readonly url: URL;
  /** The URL to post to, when that is what is written: `https://…`, or `slack+http://…` and the like. */
  readonly http: URL | undefined;
}

/** A target that takes JSON over HTTP. `explains` as in postJson. */
export function jsonTarget(
  kind: Kind,
  endpoint: Endpoint,
  explains: boolean,
  bodyOf: (message: Message) => unknown,
): Target {
  return {
    kind,
    host: new URL(endpoint.url).host,
    send: (message, signal) => postJson(endpoint, bodyOf(message), { signal, explains }),
  };
}

/**
 * The parameters of a URL's query. A `+` stays one, as in an address such as ops+backup@example.com.
 *
 * @throws Error on a parameter that is not among `known`
 */
export function readParameters(url: URL, known: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of url.search.slice(1).split('&')) {
    if (pair === '') continue;
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? [];
    if (!known.includes(name)) {
      // the name is not repeated: it may be half a password with a ? in it
      const there = known.map((parameter) => `?${parameter}=`).join(', ');
      throw new Error(there === '' ? 'takes no parameters' : `has an unknown parameter; there are ${there}`);
    }
    const earlier = parameters.get(name);
    parameters.set(name, earlier === undefined ? decode(value) : `${earlier},${decode(value)}`);
  }
  return parameters;
}

/** The parts of a list in a parameter. */
export function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** The parts of a path. */
export function segmentsOf(url: URL): string[] {
  return url.pathname.split('/').filter((segment) => segment !== '');
}
