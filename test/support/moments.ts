import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { configure } from '../../scripts/lib/config/config.ts';
import { newChain, slotName } from '../../scripts/lib/log/keys.ts';
import { offsetInSegment, parseLsn, parseSegmentName, segmentName } from '../../scripts/lib/log/lsn.ts';
import { openLog } from '../../scripts/lib/log/store.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import type { Postgres } from './postgres.ts';
import { ownTools, whereNow } from './recovery.ts';
import { runVerb } from './verbs.ts';

/** What the servers of these tests are called: by their host. */
export const SERVER = '127.0.0.1';
const SEGMENT = 16 * 2 ** 20;

/**
 * The log of a server, taken by pg_receivewal and laid into a store as our receiver does: for tests of what is done with a log,
 * which then say themselves when what is stored.
 */
export interface TakenLog {
  readonly store: string;
  readonly chain: string;
  env(database: string): Record<string, string>;
  /** Stores all that was committed so far. */
  take(): Promise<void>;
  /** Takes a base. @returns its key */
  base(): Promise<string>;
  /** The server's clock, with microseconds: `2026-11-27T09:20:00.123456Z`. */
  now(): Promise<string>;
  /** Ends pg_receivewal. */
  stop(): Promise<void>;
}

export async function takeLog(postgres: Postgres): Promise<TakenLog> {
  const store = mkdtempSync(join(tmpdir(), 'store-of-moments-'));
  after(() => rmSync(store, { recursive: true, force: true }));
  const env = { BACKUP_DIR: store, PITR: 'true' };
  const config = configure({ ...env, PATH: process.env.PATH, POSTGRES_HOST: SERVER });
  const repository = await openRepository(config.repository);
  after(() => repository.close());
  const shelf = openLog(repository);
  const { signal } = new AbortController();
  const [system] = await postgres.sql('postgres', 'select system_identifier::text as id from pg_control_system()');
  const id = newChain(new Date(), system.id);
  const of = { server: SERVER, chain: id.chain };
  const tools = await ownTools(postgres, slotName('', SERVER, id));
  await shelf.begin({ ...of, cause: 'first', segmentBytes: SEGMENT }, signal);
  let position: bigint | undefined;
  const now = async () => {
    const [row] = await postgres.sql(
      'postgres',
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
    );
    return row.now as string;
  };
  return {
    store,
    ...of,
    env: (database) => ({ ...postgres.env(database), ...env }),
    now,
    take: async () => {
      const at = new Date(await now());
      const lsn = await whereNow(postgres);
      await tools.received(lsn);
      const end = parseLsn(lsn) ?? 0n;
      const [first = ''] = readdirSync(tools.folder)
        .filter((name) => /^[0-9A-F]{24}/.test(name))
        .sort();
      let from = position ?? parseSegmentName(first.slice(0, 24), SEGMENT)?.start ?? 0n;
      while (from < end) {
        const segment = segmentName(1, from, SEGMENT);
        const start = offsetInSegment(from, SEGMENT);
        const origin = from - BigInt(start);
        const stop = origin + BigInt(SEGMENT) <= end ? SEGMENT : offsetInSegment(end, SEGMENT);
        const path = join(tools.folder, segment);
        const bytes = readFileSync(existsSync(path) ? path : `${path}.partial`).subarray(start, stop);
        await shelf.put({ ...of, segment, start, end: stop, at }, bytes, SEGMENT, signal);
        from = origin + BigInt(stop);
      }
      position = from;
      // and the server has nothing newer
      await shelf.heartbeat(
        { ...of, segment: segmentName(1, from, SEGMENT), start: offsetInSegment(from, SEGMENT), at },
        signal,
      );
    },
    base: async () => {
      const done = await runVerb('base', ['--json'], { ...postgres.env('postgres'), ...env });
      if (done.code !== 0) throw new Error(done.stderr);
      const [result] = done.json.results;
      if (result.chain !== id.chain) throw new Error(`a base without a log: ${done.stderr}`);
      return result.key;
    },
    stop: () => tools.stop(),
  };
}
