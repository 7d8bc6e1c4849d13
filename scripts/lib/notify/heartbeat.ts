import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { inBytes, keepEnd } from '../terminal/cut.ts';
import { log, logTail, redact } from '../terminal/log.ts';
import { attempt, attemptOnce, LIMITS, type Limits } from './attempt.ts';
import { type Endpoint, endpointOf, post } from './http.ts';

/** What a monitor hears of one run: that it began, and how it ended. Nothing of it ever throws. */
export interface Heartbeat {
  /** Need not be waited for: the end waits for it. */
  start(): Promise<void>;
  /** With the end of the log, unless another body is given. */
  success(body?: string): Promise<void>;
  fail(body?: string): Promise<void>;
}

const LONGEST_BODY_BYTES = 10_000;

/** Reads HEARTBEAT_URL, and registers what is secret in it. */
export function parseHeartbeatUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new Error('wants an http:// or https:// URL');
  }
  endpointOf(new URL(text));
  return text;
}

/**
 * Pings by the convention of healthchecks.io: POST to URL/start, to the URL itself, to URL/fail. All pings of a run
 * carry the same `rid`, so that the monitor can measure it; the rest of a query stays as it is.
 */
export function heartbeat(url: string | undefined, limits: Limits = LIMITS): Heartbeat {
  const rid = randomUUID();
  let started: Promise<void> = Promise.resolve();

  async function ping(step: '' | '/start' | '/fail', body: string): Promise<void> {
    if (url === undefined) return;
    try {
      const { host } = new URL(url);
      const endpoint = endpointFor(url, step, rid);
      const text = keepEnd(redact(body), LONGEST_BODY_BYTES, inBytes);
      const action = (signal: AbortSignal) => pingOnce(endpoint, text, signal);
      const done = step === '/start' ? attemptOnce(action, limits.timeoutMs / 2) : attempt(action, limits);
      await done.catch((error) => log.warn(`the heartbeat to ${host} failed: ${messageOf(error)}`));
    } catch (error) {
      log.warn(`the heartbeat failed: ${messageOf(error)}`);
    }
  }

  return {
    start: () => {
      started = ping('/start', '');
      return started;
    },
    success: async (body = logTail()) => {
      // a start that came in after the end would look like a run that hangs
      await started;
      await ping('', body);
    },
    fail: async (body = logTail()) => {
      await started;
      await ping('/fail', body);
    },
  };
}

function endpointFor(text: string, step: string, rid: string): Endpoint {
  const url = new URL(text);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${step}`;
  url.searchParams.set('rid', rid);
  return endpointOf(url);
}

async function pingOnce(endpoint: Endpoint, body: string, signal: AbortSignal): Promise<void> {
  const answer = await post(endpoint, body, 'text/plain; charset=utf-8', { signal, explains: false });
  // said with HTTP 200 of a check that does not exist, or that is pinged too often
  const ignored = /^OK \((not found|rate limited)\)/.exec(answer);
  if (ignored) throw new Error(`the monitor answered "${ignored[1]}"`);
}
