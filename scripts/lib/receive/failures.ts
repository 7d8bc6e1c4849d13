import { sqlState } from '../engines/postgres/server/connection.ts';
import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';
import { OperatorError } from '../errors.ts';
import type { ChainCause } from '../log/keys.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { OtherBytes } from './cutter.ts';
import { OtherBytesStored } from './sender.ts';
import { SlotLimitPassed } from './timers.ts';

/** What a server answers to a wrong configuration: trying again does not help. */
const IN_VAIN = /^(28|3D|42501)/;

/** What the chain cannot be gone on with after this failure; undefined for one that may pass. */
export function causeOf(error: unknown): ChainCause | undefined {
  if (error instanceof SlotLimitPassed) return 'slot-limit';
  if (error instanceof OtherBytes || error instanceof OtherBytesStored) return 'mixed';
  // "requested WAL segment … has already been removed"
  return sqlState(error) === '58P01' ? 'slot-lost' : undefined;
}

/** Whether no waiting will mend it: what is wrong at the start, and a second receiver at any time. */
export function isFinal(error: unknown, wasConnected: boolean): boolean {
  if (!(error instanceof OperatorError)) return true;
  if (error.code === 'LOCKED' || error.code === 'CONFIG') return true;
  if (wasConnected) return false;
  return error.code === 'SOURCE_VERSION' || IN_VAIN.test(sqlState(error) ?? '');
}

const told = new Set<string>();

/** The server's settings may be changed while its log is taken. */
export function tellOfWaiting(server: LogServer, { syncState }: SlotSight, isSynchronous: boolean): void {
  const waits = syncState === 'sync' || syncState === 'quorum';
  if (!waits) told.delete(server.name);
  if (!waits || isSynchronous || told.has(server.name)) return;
  told.add(server.name);
  log.error(
    `every commit on ${server.name} waits for the store: synchronous_standby_names means us. Name the standbys that are meant, or set PITR_SYNCHRONOUS=true`,
  );
}
