import { endpointOf } from '../http.ts';
import { fitMessage, type Message, type Notice, type Outcome } from '../message.ts';
import { type Address, jsonTarget, type Target } from '../target.ts';

/** What a generic webhook gets. Fields may be added; these stay. */
export interface WebhookBody {
  readonly version: 1;
  readonly verb: Notice['verb'];
  readonly outcome: Outcome;
  /** One line for people. */
  readonly subject: string;
  /** Everything for people, the end of the log included. */
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Which machine; null when it has no telling name. */
  readonly host: string | null;
  readonly items: readonly {
    readonly source: string;
    readonly what: string;
    /** Since when, such as the time of the last good backup. */
    readonly since: string | null;
    readonly next: string | null;
  }[];
  /** The end of the run's log; null when there is none. */
  readonly logTail: string | null;
}

const LONGEST_TEXT = 20_000;

/** `https://[user:password@]host/path`, also `http://`. */
export function readWebhook({ http, url }: Address): Target[] {
  return [jsonTarget('webhook', endpointOf(http ?? url), false, bodyOf)];
}

function bodyOf(message: Message): WebhookBody {
  const { verb, outcome, at, host, items } = message.notice;
  return {
    version: 1,
    verb,
    outcome,
    subject: message.subject,
    text: fitMessage(message, LONGEST_TEXT),
    at: at.toISOString(),
    host: host ?? null,
    items: items.map(({ source, what, since, next }) => ({
      source,
      what,
      since: since?.toISOString() ?? null,
      next: next ?? null,
    })),
    logTail: message.logTail === '' ? null : message.logTail,
  };
}
