import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { messageOf } from '../errors.ts';
import { slotFamily } from '../log/keys.ts';
import { formatLsn, type Lsn, parseLsn } from '../log/lsn.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { digest, type LastPart, type Part } from './cutter.ts';
import type { Session } from './slots.ts';

const lsn = z.string().check(z.refine((text) => parseLsn(text) !== undefined, 'is no position'));
const schema = z.object({
  version: z.literal(1),
  chain: z.string(),
  timeline: z.number(),
  stored: lsn,
  /** The moment that `stored` covers. */
  at: z.iso.datetime(),
  last: z.optional(z.object({ lsn, endLsn: lsn, sha256: z.string() })),
  hasBase: z.boolean(),
  session: z.optional(z.object({ pid: z.number(), since: z.string() })),
});

/** What a receiver knows of its chain, beyond what the server's slot says. */
export interface ReceiverState {
  readonly chain: string;
  readonly timeline: number;
  readonly stored: Lsn;
  readonly at: Date;
  readonly last: LastPart | undefined;
  readonly hasBase: boolean;
  /** The session on the server that streamed last. */
  readonly session?: Session | undefined;
}

/**
 * What a receiver's notes and its lock on this machine are named by: its repository's prefix and the server, by name and address. Two
 * installations that share a folder may each have a server of one name.
 */
export function notesName(prefix: string, { name, source }: LogServer): string {
  const place = digest(Buffer.from(`${source.host}:${source.port}`)).slice(0, 8);
  return `receiver-${slotFamily(prefix, name).replaceAll('_', '')}-${place}`;
}

const pathIn = (directory: string, name: string) => join(directory, `${name}.json`);

/**
 * What the last run noted. It is a cache: without it, or where it is not of this chain, the slot and the store tell as much as is needed.
 * @param name see notesName
 */
export function readState(directory: string, name: string): ReceiverState | undefined {
  try {
    const { chain, timeline, stored, at, last, hasBase, session } = schema.parse(
      JSON.parse(readFileSync(pathIn(directory, name), 'utf8')),
    );
    const place = (text: string) => parseLsn(text) as Lsn;
    return {
      chain,
      timeline,
      stored: place(stored),
      at: new Date(at),
      last: last && { lsn: place(last.lsn), endLsn: place(last.endLsn), sha256: last.sha256 },
      hasBase,
      session,
    };
  } catch {
    return undefined;
  }
}

let isTold = false;

/** Notes it for the next run. Never throws: it is said once when nothing can be written. */
export function writeState(directory: string, name: string, state: ReceiverState): void {
  const { chain, timeline, stored, at, last, hasBase, session } = state;
  const document: z.infer<typeof schema> = {
    version: 1,
    chain,
    timeline,
    stored: formatLsn(stored),
    at: at.toISOString(),
    ...(last && { last: { lsn: formatLsn(last.lsn), endLsn: formatLsn(last.endLsn), sha256: last.sha256 } }),
    hasBase,
    ...(session && { session }),
  };
  const path = pathIn(directory, name);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(document), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    if (!isTold)
      log.warn(`${path} cannot be written, and without it less is known after a restart: ${messageOf(error)}`);
    isTold = true;
  }
}

/** The log is not taken any more: what was noted of it tells nothing to a later run. */
export function forgetState(directory: string, name: string): void {
  rmSync(pathIn(directory, name), { force: true });
}

const NOTED_EVERY_MS = 1_000;

/** Keeps the state of one server's chain while it is taken. */
export interface StateKeeper {
  readonly state: ReceiverState | undefined;
  /** Another chain, or the same one by another run. */
  begin(state: ReceiverState): void;
  /** A part is stored, and everything before it. */
  stored(part: Part, at: Date, isLast: boolean): void;
  baseTaken(): void;
  /** A session streams. */
  streams(session: Session): void;
}

/** Reads what the last run noted, and notes what this one does, once in a second at most. */
export function keepState(directory: string, name: string): StateKeeper {
  let state = readState(directory, name);
  let newest: { part: Part; at: Date } | undefined;
  let notedAt = 0;
  let timer: NodeJS.Timeout | undefined;
  const set = (changed: ReceiverState | undefined) => {
    if (!changed) return;
    state = changed;
    writeState(directory, name, changed);
  };
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    notedAt = Date.now();
    if (!newest || !state) return;
    const { lsn, endLsn, raw, timeline } = newest.part;
    // what is read of it is not kept in memory for this
    const last = { lsn, endLsn, sha256: digest(raw) };
    set({ ...state, timeline, stored: endLsn, at: newest.at, last });
    newest = undefined;
  };
  return {
    get state() {
      return state;
    },
    begin: (begun) => {
      newest = undefined;
      set(begun);
    },
    stored: (part, at, isLast) => {
      newest = { part, at };
      const dueMs = notedAt + NOTED_EVERY_MS - Date.now();
      if (isLast || dueMs <= 0) save();
      else timer ??= setTimeout(save, dueMs).unref();
    },
    baseTaken: () => set(state && { ...state, hasBase: true }),
    streams: (session) => set(state && { ...state, session }),
  };
}
