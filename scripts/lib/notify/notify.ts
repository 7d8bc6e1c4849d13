import { hostname } from 'node:os';
import { messageOf } from '../errors.ts';
import { log, redact } from '../terminal/log.ts';
import { attempt, LIMITS, type Limits } from './attempt.ts';
import { type Notice, render } from './message.ts';
import type { Target } from './target.ts';

export type { Notice, NoticeItem, Outcome } from './message.ts';

export interface NotifySettings {
  /** NOTIFY_URL; nobody is told without it. */
  readonly urls: readonly Target[] | undefined;
  /** NOTIFY_ON; `failure` means warnings too. */
  readonly on: 'failure' | 'always';
}

/** How it went with one target. */
export interface Delivery {
  readonly kind: string;
  readonly host: string;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly error?: string;
}

/**
 * Tells everybody of NOTIFY_URL at once. Never throws, and takes no longer than two attempts may; what fails is logged.
 */
export async function notify(settings: NotifySettings, notice: Notice, limits: Limits = LIMITS): Promise<void> {
  if (settings.on === 'failure' && notice.outcome === 'success') return;
  for (const { kind, host, error } of await deliver(settings.urls ?? [], notice, limits)) {
    if (error !== undefined) log.warn(`could not notify ${kind} (${host}): ${error}`);
  }
}

/** Sends the notice to every target, and says how it went with each. Never throws. */
export async function deliver(
  targets: readonly Target[],
  notice: Notice,
  limits: Limits = LIMITS,
): Promise<readonly Delivery[]> {
  return Promise.all(
    targets.map(async (target) => {
      const startedMs = performance.now();
      const result = { kind: target.kind, host: target.host };
      try {
        const host = notice.host ?? tellingHostName();
        const message = render(host === undefined ? notice : { ...notice, host });
        await attempt((signal) => target.send(message, signal), limits);
        return { ...result, ok: true, durationMs: Math.round(performance.now() - startedMs) };
      } catch (error) {
        const durationMs = Math.round(performance.now() - startedMs);
        return { ...result, ok: false, durationMs, error: redact(messageOf(error)) };
      }
    }),
  );
}

/** The machine's name, unless it is what Docker makes up for a container. */
function tellingHostName(): string | undefined {
  const name = hostname();
  return /^[0-9a-f]{12}$/.test(name) ? undefined : name;
}
