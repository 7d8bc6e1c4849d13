import { messageOf } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { LEFT_OUT } from '../dump/extension-sequences.ts';
import { connect } from '../server/connection.ts';
import { readPositions } from '../server/contents.ts';

/**
 * Sets sequences of extensions that no dump holds to where they stood, so that no number is taken twice. Never back: what
 * made the extension may have taken some.
 */
export async function setLeftOut(
  source: DatabaseSource,
  staging: string,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<void> {
  const stood = manifest?.extensionSequences ?? [];
  if (stood.length === 0) return;
  const connection = await connect(source, staging, signal);
  try {
    const here = (await connection.query<{ name: string }>(LEFT_OUT)).map(({ name }) => name);
    const wanted = stood.filter(({ sequence }) => here.includes(sequence));
    const now = await readPositions(
      connection,
      wanted.map(({ sequence }) => sequence),
    );
    for (const { sequence, value } of wanted) {
      const place = now.find((one) => one.sequence === sequence);
      if (place === undefined || BigInt(place.value) > BigInt(value)) continue;
      if (place.isCalled && place.value === value) continue;
      await connection.query('select setval($1::regclass, $2::bigint)', [sequence, value]).catch((error: unknown) => {
        signal.throwIfAborted();
        log.warn(`the sequence ${sequence} of an extension begins anew, and stood at ${value}: ${messageOf(error)}`);
      });
    }
  } finally {
    await connection.close();
  }
}
