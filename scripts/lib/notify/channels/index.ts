import { messageOf } from '../../errors.ts';
import { registerSecret } from '../../terminal/log.ts';
import { decode } from '../http.ts';
import type { Address, Kind, Target } from '../target.ts';
import { readDiscord } from './discord.ts';
import { readNtfy } from './ntfy.ts';
import { readSlack } from './slack.ts';
import { readSmtp } from './smtp.ts';
import { readTelegram } from './telegram.ts';
import { readWebhook } from './webhook.ts';

export type { Target } from '../target.ts';

const READERS = {
  webhook: readWebhook,
  slack: readSlack,
  discord: readDiscord,
  ntfy: readNtfy,
  telegram: readTelegram,
  smtp: readSmtp,
} as const satisfies Record<Kind, (address: Address) => Target[]>;

/** Which kind a scheme means, and over what it goes when the scheme says so. */
const SCHEMES: Readonly<Record<string, { kind: Kind; over?: 'http:' | 'https:' }>> = {
  http: { kind: 'webhook', over: 'http:' },
  https: { kind: 'webhook', over: 'https:' },
  slack: { kind: 'slack' },
  'slack+https': { kind: 'slack', over: 'https:' },
  'slack+http': { kind: 'slack', over: 'http:' },
  discord: { kind: 'discord' },
  'discord+https': { kind: 'discord', over: 'https:' },
  'discord+http': { kind: 'discord', over: 'http:' },
  ntfy: { kind: 'ntfy' },
  ntfys: { kind: 'ntfy' },
  'ntfy+https': { kind: 'ntfy', over: 'https:' },
  'ntfy+http': { kind: 'ntfy', over: 'http:' },
  telegram: { kind: 'telegram' },
  'telegram+https': { kind: 'telegram', over: 'https:' },
  'telegram+http': { kind: 'telegram', over: 'http:' },
  smtp: { kind: 'smtp' },
  smtps: { kind: 'smtp' },
};

/** Services whose plain https:// URL says who they are. */
const KNOWN_HOSTS: readonly { host: RegExp; path: RegExp; kind: Kind }[] = [
  { host: /^hooks\.slack(-gov)?\.com$/, path: /^\/./, kind: 'slack' },
  { host: /^((ptb|canary)\.)?discord(app)?\.com$/, path: /^\/api\/(v\d+\/)?webhooks\//, kind: 'discord' },
  { host: /^ntfy\.sh$/, path: /^\/[^/]+$/, kind: 'ntfy' },
];

/**
 * Reads NOTIFY_URL: URLs with commas or line breaks between them. Every secret in it is registered.
 *
 * @throws Error that names each wrong entry by its position and scheme, never by its text
 */
export function parseNotifyUrls(text: string): Target[] {
  // a comma ends an entry only before the next scheme: lists of chats and recipients hold commas too
  const entries = text
    .split(/[\s,]+(?=[a-z][a-z0-9+.-]*:\/\/)/i)
    .map((entry) => entry.replace(/^[\s,]+|[\s,]+$/g, ''))
    .filter((entry) => entry !== '');
  if (entries.length === 0) throw new Error('wants one or more URLs, such as https://…');
  const problems: string[] = [];
  const targets = entries.flatMap((entry, index) => {
    for (const form of [entry, entry.slice(entry.indexOf('://') + 3), decode(entry)]) registerSecret(form);
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(entry)?.[1]?.toLowerCase();
    try {
      return readEntry(entry, scheme);
    } catch (error) {
      problems.push(`entry ${index + 1}${scheme === undefined ? '' : ` (${scheme}://)`} ${messageOf(error)}`);
      return [];
    }
  });
  if (problems.length > 0) throw new Error(problems.join('; '));
  return targets;
}

function readEntry(entry: string, scheme: string | undefined): Target[] {
  if (scheme === undefined)
    throw new Error('is no URL; it wants to begin with https://, slack://, smtp:// or the like');
  const known = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  if (!known) throw new Error(`is of no known kind; there are ${Object.keys(SCHEMES).join(', ')}`);
  if (!URL.canParse(entry)) {
    throw new Error(
      'is no valid URL; in a user name or password, write / as %2F, ? as %3F, # as %23, @ as %40, % as %25',
    );
  }
  const url = new URL(entry);
  if (/\s/.test(entry) || url.pathname.includes(',') || url.hostname.includes(',')) {
    throw new Error('holds a space, or a comma with no URL after it; write a comma that belongs to the URL as %2C');
  }
  if (url.hash !== '') throw new Error('holds a #; write it as %23');
  const http = known.over && new URL(entry.replace(/^[^:]+:/, known.over));
  const kind = scheme === 'https' && http ? kindOf(http) : known.kind;
  return READERS[kind]({ url, http });
}

function kindOf(url: URL): Kind {
  return KNOWN_HOSTS.find(({ host, path }) => host.test(url.hostname) && path.test(url.pathname))?.kind ?? 'webhook';
}
