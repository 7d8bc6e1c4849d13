import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configure } from '../../scripts/lib/config/config.ts';
import type { ChainLog } from '../../scripts/lib/log/catalog.ts';
import { parseLsn } from '../../scripts/lib/log/lsn.ts';
import { segmentOf } from '../../scripts/lib/log/segments.ts';
import { type LogStore, openLog } from '../../scripts/lib/log/store.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import type { Postgres } from './postgres.ts';
import { type Environment, type Running, startVerb, until } from './verbs.ts';

const signal = new AbortController().signal;

/** A folder of the test's own, gone when its file is over. */
export function folderOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What a receiver of this server is told, with a store and a place for notes of its own. */
export function receiverEnv(postgres: Postgres, changed: Environment = {}): Environment {
  return {
    ...postgres.env('postgres'),
    PITR: 'true',
    BASE_SCHEDULE: 'off',
    DRILL_DIR: folderOf('receiver-notes'),
    ...(changed.S3_ENDPOINT === undefined ? { BACKUP_DIR: folderOf('log-store') } : {}),
    ...changed,
  };
}

/** The log as it is stored. */
export async function logOf(env: Environment): Promise<LogStore> {
  const repository = await openRepository(configure(env).repository);
  after(() => repository.close());
  return openLog(repository);
}

/** The chains that are stored, the oldest first. */
export async function chainsOf(env: Environment): Promise<ChainLog[]> {
  return (await logOf(env)).chains({}, new Date(), signal);
}

/** Waits until so many bases are stored. The store itself is asked: a verb for each look would keep a busy machine busy. */
export async function untilBases(env: Environment, count = 1): Promise<void> {
  const store = await logOf(env);
  await until(`there are ${count} bases`, async () => {
    const bases = await store.bases({}, signal);
    await sleep(200);
    return bases.filter(({ hasManifest }) => hasManifest).length >= count ? true : undefined;
  });
}

/** Starts a receiver, and waits until it streams. */
export async function startReceiver(postgres: Postgres, env: Environment): Promise<Running> {
  const receiver = startVerb('receive', [], env);
  await until('the receiver streams', async () => {
    const rows = await postgres.sql(
      'postgres',
      "select from pg_replication_slots where slot_name like 'cdb%' and not temporary and active",
    );
    return rows.length > 0 ? true : undefined;
  });
  return receiver;
}

/** Waits until everything that the server has flushed by now is acknowledged, which only what is stored is. */
export async function untilStored(postgres: Pick<Postgres, 'sql'>): Promise<string> {
  const [{ lsn }] = await postgres.sql('postgres', 'select pg_current_wal_flush_lsn()::text as lsn');
  await until(`${lsn} is stored`, async () => {
    const [row] = await postgres.sql(
      'postgres',
      `select restart_lsn >= '${lsn}' as stored from pg_replication_slots where slot_name like 'cdb%' and not temporary`,
    );
    return row?.stored ? true : undefined;
  });
  return lsn;
}

/** The bytes of every segment of a chain as they are stored, by name; those without a beginning are not among them. */
export async function storedSegments(env: Environment, chain: ChainLog): Promise<Map<string, Buffer>> {
  const store = await logOf(env);
  const now = (await chainsOf(env)).find(({ server, id }) => server === chain.server && id.chain === chain.id.chain);
  const segments = new Map<string, Buffer>();
  for (const name of now?.contents.segments() ?? []) {
    const segment = now && segmentOf(now.contents, name, chain.segmentBytes);
    if (segment === undefined) continue;
    const bytes = Buffer.alloc(segment.bytes);
    for (const part of segment.objects) {
      const raw = await store.read(part, chain.segmentBytes, signal);
      bytes.set(raw, part.object.kind === 'part' ? part.object.start : 0);
    }
    segments.set(segment.segment, bytes);
  }
  return segments;
}

/** The server's own bytes of a segment, as far as they are wanted. */
export async function segmentOnServer(postgres: Pick<Postgres, 'sql'>, name: string, bytes: number): Promise<Buffer> {
  const [row] = await postgres.sql('postgres', 'select pg_read_binary_file($1, 0, $2) as bytes', [
    `pg_wal/${name}`,
    bytes,
  ]);
  return row.bytes as Buffer;
}

export const lsnOf = (text: string): bigint => parseLsn(text) ?? 0n;
