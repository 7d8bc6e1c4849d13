import { registerSecret } from '../../terminal/log.ts';
import { decode, endpointOf } from '../http.ts';
import { fitMessage, type Message } from '../message.ts';
import { type Address, jsonTarget, segmentsOf, type Target } from '../target.ts';

// beyond it, Slack makes several messages of one
const LONGEST_TEXT = 4_000;

/**
 * The incoming webhook's URL itself, `slack://T…/B…/…` or `slack://hook:T…-B…-…@webhook`. `slack+https://` and
 * `slack+http://` are the URL of anything that takes Slack's format, such as Mattermost or Rocket.Chat.
 */
export function readSlack({ http, url }: Address): Target[] {
  return [jsonTarget('slack', endpointOf(http ?? ownUrl(url)), true, bodyOf)];
}

function ownUrl(url: URL): URL {
  const tokens =
    url.hostname === 'webhook' ? decode(url.password).split('-') : [url.hostname, ...segmentsOf(url)].map(decode);
  if (tokens.length !== 3 || tokens.some((token) => !/^[A-Za-z0-9]+$/.test(token))) {
    throw new Error("wants the webhook's three tokens: slack://T…/B…/…, or its https:// URL as Slack shows it");
  }
  for (const token of tokens.slice(1)) registerSecret(token);
  return new URL(`https://hooks.slack.com/services/${tokens.join('/')}`);
}

function bodyOf(message: Message) {
  return {
    text: escapeMarkup(`${message.subject}\n\n${fitMessage(message, LONGEST_TEXT - message.subject.length - 2)}`),
    // names such as my_big_table are not meant as italics
    mrkdwn: false,
    unfurl_links: false,
  };
}

/** Slack's own three, without which `<!channel>` in an error message would ring everybody's phone. */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
