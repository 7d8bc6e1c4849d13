import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';
import type { ServerIdentity, Walsender } from '../engines/postgres/walsender/walsender.ts';
import type { LogStore } from '../log/store.ts';
import type { LogServer } from '../source.ts';
import type { Coverage } from './coverage.ts';
import type { Cutter } from './cutter.ts';
import type { Monitor } from './monitor.ts';
import type { Pace } from './pace.ts';
import type { Sender } from './sender.ts';

/** What is being streamed into; it outlives connections to the server. */
export interface Stream {
  readonly slot: string;
  readonly segmentBytes: number;
  readonly sender: Sender;
  readonly cutter: Cutter;
  readonly coverage: Coverage;
  readonly pace: Pace;
}

export interface SessionSettings {
  readonly server: LogServer;
  readonly store: LogStore;
  readonly walsender: Walsender;
  readonly identity: ServerIdentity;
  readonly monitor: Monitor;
  readonly slotLimitBytes: number;
  readonly walSenderTimeoutMs: number;
  /** PITR_SYNCHRONOUS: commits wait for the store, so nothing waits here. */
  readonly isSynchronous: boolean;
  /** Ends the session; what has come is stored and acknowledged first. */
  readonly signal: AbortSignal;
  /** Each time that the server was looked at. */
  onSight(sight: SlotSight): void;
}
