import { messageOf, OperatorError } from '../../scripts/lib/errors.ts';
import { log } from '../../scripts/lib/terminal/log.ts';
import { bringUpInDocker, hasDocker } from './docker.ts';
import { bringUpOnHost } from './host.ts';
import * as page from './page.ts';
import type { Place } from './place.ts';

/** Where the demonstration is to happen, and what the docker client has to know. */
export interface DemoSettings {
  /** Without one: in Docker where an engine answers, else on the host. */
  readonly mode?: 'host' | 'docker' | undefined;
  readonly dockerEnvironment: Readonly<Record<string, string>>;
}

/**
 * Does some work in a place of its own, which is taken down whatever happens, and returns the place that was.
 *
 * @throws OperatorError TOOL_MISSING saying what to install; what the work throws
 */
export async function inPlace(
  settings: DemoSettings,
  signal: AbortSignal,
  work: (place: Place) => Promise<void>,
): Promise<Place> {
  page.step(1, 'Bring up a database');
  const place = await bringUp(settings, signal);
  try {
    await work(place);
  } catch (error) {
    log.info('cleaning up');
    await place.stop().catch((failure: unknown) => log.error(`cleaning up failed: ${messageOf(failure)}`));
    throw error;
  }
  await place.stop();
  return place;
}

async function bringUp({ mode, dockerEnvironment }: DemoSettings, signal: AbortSignal): Promise<Place> {
  if (mode === 'host') return bringUpOnHost(signal);
  if (await hasDocker(dockerEnvironment, signal)) return bringUpInDocker(dockerEnvironment, signal);
  signal.throwIfAborted();
  if (mode === undefined) return bringUpOnHost(signal);
  throw new OperatorError('TOOL_MISSING', 'no Docker engine answers here (docker info), or docker compose is missing', {
    hint: 'Start the engine, or run the demonstration without it: make demo DEMO_MODE=host.',
  });
}
