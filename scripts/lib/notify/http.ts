import { codeOf, messageOf } from '../errors.ts';
import { registerSecret } from '../terminal/log.ts';
import { Refusal } from './attempt.ts';

/** Where to post to. */
export interface Endpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const MOST_READ_BYTES = 2_000;
const LONGEST_EXCERPT = 200;
/** Words are shorter. What is registered as a secret vanishes from every log, so it must not be a word. */
const SHORTEST_TOKEN = 16;

/** The endpoint of a URL, its user and password as Basic authorization: fetch takes no URL that holds them. */
export function endpointOf(given: URL): Endpoint {
  const url = new URL(given);
  const user = decode(url.username);
  const password = decode(url.password);
  url.username = '';
  url.password = '';
  url.hash = '';
  registerUrl(url);
  if (user === '' && password === '') return { url: url.href, headers: {} };
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  for (const secret of [password, given.password, basic]) registerSecret(secret);
  return { url: url.href, headers: { authorization: `Basic ${basic}` } };
}

/** Registers whatever of a URL could let others in: it as a whole, and each part that looks like a token. */
function registerUrl(url: URL): void {
  registerSecret(url.href);
  if (url.pathname.length + url.search.length > 1) registerSecret(`${url.host}${url.pathname}${url.search}`);
  const parts = [...url.pathname.split('/'), ...url.search.slice(1).split(/[&=]/)];
  for (const part of parts.filter(({ length }) => length >= SHORTEST_TOKEN)) {
    registerSecret(part);
    registerSecret(decode(part));
  }
}

export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Posts JSON. `explains` when an error's body is the word of a known service, worth repeating. */
export async function postJson(
  endpoint: Endpoint,
  body: unknown,
  { signal, explains }: { signal: AbortSignal; explains: boolean },
): Promise<void> {
  await post(endpoint, JSON.stringify(body), 'application/json', { signal, explains });
}

/**
 * Posts, and reads the answer to its end or as far as it is worth reading.
 *
 * @returns the beginning of the answer
 * @throws Refusal on an answer that will not change, Error on one that may
 */
export async function post(
  endpoint: Endpoint,
  body: string,
  contentType: string,
  { signal, explains }: { signal: AbortSignal; explains: boolean },
): Promise<string> {
  let response: Response;
  let excerpt: string;
  try {
    response = await fetch(endpoint.url, {
      method: 'POST',
      headers: { 'content-type': contentType, 'user-agent': 'compose-db-backup', ...endpoint.headers },
      body,
      // followed, most redirects would turn this into a GET that says nothing, and the URL's secrets would go elsewhere
      redirect: 'manual',
      signal,
    });
    excerpt = await drain(response);
  } catch (error) {
    throw new Error(reasonOf(error, signal), { cause: error });
  }
  if (response.ok) return excerpt;
  throw refusalOf(response, explains ? excerpt : '');
}

function refusalOf(response: Response, excerpt: string): Error {
  const { status } = response;
  if (status >= 300 && status < 400) {
    const location = response.headers.get('location') ?? '';
    const host = URL.canParse(location) ? ` to ${new URL(location).origin}` : '';
    return new Refusal(`answered HTTP ${status}, a redirect${host}; name the address it redirects to`);
  }
  const said = excerpt.replace(/\s+/g, ' ').trim().slice(0, LONGEST_EXCERPT);
  const message = `answered HTTP ${status}${said === '' ? '' : `: ${said}`}`;
  const passing = status >= 500 || status === 408 || status === 425 || status === 429;
  return passing ? new Error(message) : new Refusal(message);
}

async function drain(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  if (response.body) {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      // leaving the loop cancels the rest
      if (sizeBytes >= MOST_READ_BYTES) break;
    }
  }
  return Buffer.concat(chunks).toString('utf8', 0, MOST_READ_BYTES);
}

/** fetch says `fetch failed`; why is in its cause, and for several addresses in the causes of that. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return messageOf(signal.reason);
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof AggregateError && cause.errors.length > 0) cause = cause.errors[0];
  const message = messageOf(cause);
  const code = codeOf(cause);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
