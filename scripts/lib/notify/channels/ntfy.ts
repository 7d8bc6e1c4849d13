import { inBytes, keepStart } from '../../terminal/cut.ts';
import { decode, endpointOf } from '../http.ts';
import { fitMessage, type Message, type Outcome } from '../message.ts';
import { type Address, jsonTarget, readParameters, segmentsOf, type Target } from '../target.ts';

// a longer message becomes an attachment
const LONGEST_BYTES = 4_000;
const LONGEST_TITLE_BYTES = 250;

const LOOKS = {
  success: { priority: 2, tags: ['white_check_mark'] },
  warning: { priority: 3, tags: ['warning'] },
  failure: { priority: 4, tags: ['rotating_light'] },
} as const satisfies Record<Outcome, { priority: number; tags: readonly string[] }>;

/**
 * `ntfy://[user:password@]host[:port]/topic` over https, `ntfy+http://…` over http, or `https://ntfy.sh/topic`. An
 * access token is a password without a user: `ntfy://:tk_…@host/topic`.
 */
export function readNtfy({ http, url }: Address): Target[] {
  readParameters(url, []);
  const own = http ?? new URL(`https:${url.href.slice(url.protocol.length)}`);
  const segments = segmentsOf(own);
  const topic = decode(segments.pop() ?? '');
  if (!/^[-_A-Za-z0-9]{1,64}$/.test(topic)) {
    throw new Error('wants a topic of letters, digits, - and _ after the host: ntfy://ntfy.sh/topic');
  }
  // the topic goes into the body, which unlike a header takes any language
  const { headers } = endpointOf(own);
  const root = new URL(own);
  root.username = '';
  root.password = '';
  root.pathname = `/${segments.join('/')}`;
  return [jsonTarget('ntfy', { url: root.href, headers }, true, (message) => bodyOf(topic, message))];
}

function bodyOf(topic: string, message: Message) {
  return {
    topic,
    title: keepStart(message.subject, LONGEST_TITLE_BYTES, inBytes),
    message: fitMessage(message, LONGEST_BYTES, inBytes),
    ...LOOKS[message.notice.outcome],
  };
}
