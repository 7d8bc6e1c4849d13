import { registerSecret } from '../../terminal/log.ts';
import { decode, endpointOf } from '../http.ts';
import { fitMessage, type Message } from '../message.ts';
import { type Address, jsonTarget, listOf, readParameters, segmentsOf, type Target } from '../target.ts';

const LONGEST_TEXT = 4_096;

/**
 * `telegram://<token>@telegram?chats=-1001234,@channel`; each chat is a target of its own, so that one that fails is
 * not a second message to the others. `telegram+https://<token>@host?chats=…` is a Bot API server of one's own.
 */
export function readTelegram({ http, url }: Address): Target[] {
  const token = `${decode(url.username)}:${decode(url.password)}`;
  if (!/^\d+:[\w-]+$/.test(token)) throw new Error('wants the token of the bot: telegram://123:ABC…@telegram?chats=…');
  registerSecret(token);
  registerSecret(decode(url.password));
  const chats = listOf(readParameters(url, ['chats']).get('chats'));
  if (chats.length === 0) throw new Error('names no chat; add ?chats=…, ids or @channels with commas between them');
  if (chats.some((chat) => !/^(-?\d+|@\w+)$/.test(chat))) throw new Error('wants as chats numeric ids or @channels');
  const endpoint = endpointOf(new URL(`${serverOf(url, http)}/bot${token}/sendMessage`));
  return chats.map((chat) => jsonTarget('telegram', endpoint, true, (message) => bodyOf(chat, message)));
}

function serverOf(url: URL, http: URL | undefined): string {
  if (http) return [http.origin, ...segmentsOf(http)].join('/');
  if (url.host !== 'telegram' || segmentsOf(url).length > 0) {
    throw new Error('wants telegram as the host; telegram+https:// takes another one');
  }
  return 'https://api.telegram.org';
}

function bodyOf(chat: string, message: Message) {
  return {
    chat_id: chat,
    // without a parse_mode nothing in it is markup
    text: `${message.subject}\n\n${fitMessage(message, LONGEST_TEXT - message.subject.length - 2)}`,
    link_preview_options: { is_disabled: true },
    disable_notification: message.notice.outcome === 'success',
  };
}
