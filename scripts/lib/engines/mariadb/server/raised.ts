import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, connect } from './connection.ts';

/** The most that a server takes in one statement. A row that it took is twice as long in a dump's hexadecimal. */
const LARGEST_PACKET = 1_073_741_824;
const PUT_BACK_WITHIN_MS = 30_000;

/**
 * Widens, for as long as a restore takes, what a server's own configuration would keep out of what it once let in: long
 * rows, and with a binary log functions that are not deterministic. Where this user may not, they stay as they are.
 *
 * @returns puts them back; never rejects
 */
export async function raiseLimits(connection: Connection, source: DatabaseSource): Promise<() => Promise<void>> {
  const { variables } = connection;
  const wanted: (readonly [name: string, before: string, during: string])[] = [];
  const packet = variables.get('max_allowed_packet');
  if (packet !== undefined && Number(packet) < LARGEST_PACKET)
    wanted.push(['max_allowed_packet', packet, String(LARGEST_PACKET)]);
  if (variables.get('log_bin') === 'ON' && variables.get('log_bin_trust_function_creators') === 'OFF')
    wanted.push(['log_bin_trust_function_creators', '0', '1']);
  const raised: string[] = [];
  for (const [name, before, during] of wanted) {
    await connection.query(`set global ${name} = ${during}`).then(
      () => raised.push(`global ${name} = ${before}`),
      (error: unknown) => log.info(`${name} stays as it is during the restore: ${messageOf(error)}`),
    );
  }
  return async () => {
    if (raised.length === 0) return;
    try {
      // the restore's own may have been broken off
      const own = await connect(source, AbortSignal.timeout(PUT_BACK_WITHIN_MS));
      await own.query(`set ${raised.join(', ')}`).finally(() => own.close());
    } catch (error) {
      log.warn(`put these back by hand, SET ${raised.join(', ')}: ${messageOf(error)}`);
    }
  };
}
