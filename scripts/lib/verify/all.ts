import type { Config } from '../config/config.ts';
import { failureOf } from '../copy/away.ts';
import { PRIMARY, type Store } from '../copy/stores.ts';
import { readTogether } from '../copy/together.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { log } from '../terminal/log.ts';
import { type VerifyRequest, type VerifyResult, verifyStore } from './verify.ts';

/**
 * Reads stores back, one after the other.
 * @param every all stores that there are, to tell one that is the same under another name
 * @throws OperatorError for a request that no store can serve
 */
export async function verifyAll(
  config: Config,
  { every, meant }: { every: readonly Store[]; meant: readonly Store[] },
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyResult[]> {
  const { asOf } = request;
  const found: VerifyResult[] = [];
  for (const store of meant) {
    const others = every.filter((other) => other !== store);
    const past = asOf && {
      ...store,
      repository: readTogether({ primary: store, copies: [] }, { from: PRIMARY, asOf }),
    };
    found.push(await verifyOne(config, past ?? store, others, request, signal));
  }
  return found;
}

/** A store that cannot be read is data: the others are read all the same. */
async function verifyOne(
  config: Config,
  store: Store,
  others: readonly Store[],
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const now = new Date();
  const started = Date.now();
  try {
    return await verifyStore(store, others, request, now, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError && error.exitCode === EXIT.usage) throw error;
    const { isLate, message, text } = failureOf(config, store, error, now);
    if (isLate) log.info(`${store.name} is away: ${message}`);
    else log.error(`${store.name} could not be read back: ${message}`);
    return {
      ...{ name: store.name, ok: isLate, reasons: [], read: 0, readBytes: 0, damaged: [], protection: null },
      ...{ rewritten: [], durationMs: Date.now() - started, record: null },
      error: text,
    };
  }
}
