import { registerSecret } from '../../terminal/log.ts';
import { decode, endpointOf } from '../http.ts';
import { fitMessage, type Message } from '../message.ts';
import { type Address, jsonTarget, segmentsOf, type Target } from '../target.ts';

const LONGEST_TEXT = 2_000;
const FENCE = '```';

/**
 * The webhook's URL itself, `discord://token@id` or `discord://id/token`. `discord+https://` and `discord+http://`
 * are the URL of anything that takes Discord's format.
 */
export function readDiscord({ http, url }: Address): Target[] {
  return [jsonTarget('discord', endpointOf(http ?? ownUrl(url)), true, bodyOf)];
}

function ownUrl(url: URL): URL {
  const [token, ...more] = url.username === '' ? segmentsOf(url) : [url.username, ...segmentsOf(url)];
  if (!/^\d+$/.test(url.hostname) || token === undefined || more.length > 0 || url.password !== '') {
    throw new Error('wants discord://token@id, or the https:// URL as Discord shows it');
  }
  registerSecret(decode(token));
  return new URL(`https://discord.com/api/webhooks/${url.hostname}/${token}`);
}

function bodyOf(message: Message) {
  const subject = message.subject.replace(/[\\`*_~|<>[\]]/g, '\\$&');
  const frame = `**${subject}**\n${FENCE}\n\n${FENCE}`;
  // in a fence no name becomes markup, unless it holds a fence itself
  const safe = { ...message, text: unfence(message.text), logTail: unfence(message.logTail) };
  return {
    content: `**${subject}**\n${FENCE}\n${fitMessage(safe, LONGEST_TEXT - frame.length)}\n${FENCE}`,
    // an @everyone in an error message stays text
    allowed_mentions: { parse: [] },
  };
}

function unfence(text: string): string {
  return text.replaceAll(FENCE, "'''");
}
