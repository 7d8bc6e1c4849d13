import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { takeApart } from '../engines/postgres/base/archives.ts';
import { nextTransactions, readServerFacts } from '../engines/postgres/base/facts.ts';
import { type Connection, connect } from '../engines/postgres/server/connection.ts';
import { lockKey } from '../engines/postgres/server/locks.ts';
import { openWalsender, WALSENDER_DATABASE, type Walsender } from '../engines/postgres/walsender/walsender.ts';
import { secondPassed } from '../engines/second-passed.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { baseManifestKey, baseStem } from '../log/base-keys.ts';
import type { BaseManifest } from '../log/base-manifest.ts';
import { formatLsn } from '../log/lsn.ts';
import { type LogStore, openLog } from '../log/store.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { startProgress } from '../terminal/progress.ts';
import { chainOnServer, untilStored } from './chain.ts';
import { type StoredArchive, storeArchive } from './store-archive.ts';

/** What a base is to be taken of. */
export interface BaseOrder {
  readonly config: Config;
  readonly repository: Repository;
  readonly server: LogServer;
  /** The chain whose log goes on from it; undefined for the one whose slot the server has now. */
  readonly chain: string | undefined;
  readonly signal: AbortSignal;
}

export interface BaseResult {
  /** Of its manifest. */
  readonly key: string;
  readonly server: string;
  /** Null for a base that restores its own end alone. */
  readonly chain: string | null;
  readonly startLsn: string;
  readonly endLsn: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly sizeBytes: number;
  readonly rawBytes: number;
  readonly durationMs: number;
}

/**
 * Takes a base of a server: its files, streamed into the repository with no local disk, and with the log that makes them
 * consistent. It counts once its manifest is there. One that fails leaves nothing, and earlier ones stay.
 *
 * @throws OperatorError LOCKED when one of this server is being taken, SOURCE_CONNECT, SOURCE_VERSION, TIMEOUT, the storage's
 */
export async function takeBase(order: BaseOrder): Promise<BaseResult> {
  const what = `the base of ${order.server.name}`;
  return withTimeout(order.signal, order.config.limits.backup, what, (signal) => take({ ...order, signal }));
}

async function take(order: BaseOrder): Promise<BaseResult> {
  const { server, signal } = order;
  const started = Date.now();
  const connection = await connect(server.source, WALSENDER_DATABASE, signal);
  try {
    await lock(connection, server);
    const startedAt = await clock(connection);
    // the log that the base needs is kept on the server until it has been sent: under load it would be recycled before
    const keeper = await openWalsender(server.source, signal);
    try {
      await keeper.createSlot(temporaryName(keeper), { temporary: true });
      const result = await send(order, connection, startedAt);
      await secondPassed(startedAt.getTime(), async () => (await clock(connection)).getTime(), signal);
      const { sizeBytes, rawBytes } = result;
      const durationMs = Date.now() - started;
      log.info(
        `base of ${server.name}: ${result.key} (${formatBytes(sizeBytes)}, ${formatBytes(rawBytes)} before compression) in ${formatDuration(durationMs)}`,
      );
      return { ...result, durationMs };
    } finally {
      await keeper.close();
    }
  } finally {
    await connection.close();
  }
}

/** Gone with its session. Two runs never meet in it: it carries its session's number. */
const temporaryName = ({ pid }: Walsender) => `cdb_base_${pid}`;

async function lock(connection: Connection, server: LogServer): Promise<void> {
  const [row] = await connection.query<{ locked: boolean }>('select pg_try_advisory_lock($1::bigint) as locked', [
    lockKey('base', server.name),
  ]);
  if (row?.locked) return;
  throw new OperatorError('LOCKED', `another base of ${server.name} is being taken`, {
    hint: 'Wait until it has ended. The lock ends with that run.',
  });
}

async function clock(connection: Connection): Promise<Date> {
  const [row] = await connection.query<{ ms: string }>(
    'select floor(extract(epoch from clock_timestamp()) * 1000)::text as ms',
  );
  return new Date(Number(row?.ms));
}

async function send(
  order: BaseOrder,
  connection: Connection,
  startedAt: Date,
): Promise<Omit<BaseResult, 'durationMs'>> {
  const { config, repository, server, signal: outer } = order;
  const store = openLog(repository);
  const stem = baseStem(store.prefix, server.name, startedAt);
  const facts = await readServerFacts(connection);
  const walsender = await openWalsender(server.source, outer);
  // a store that fails ends what the server sends
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const archives: StoredArchive[] = [];
  const totalBytes = facts.databases.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const progress = startProgress({ what: `base of ${server.name}`, totalBytes, isEstimate: true });
  let sentBytes = 0;
  try {
    const { systemIdentifier } = await walsender.identify();
    const chain = order.chain ?? (await chainOnServer(connection, { store, server, systemIdentifier }));
    const rate = config.values.BACKUP_MAX_RATE;
    const sent = await takeApart(
      walsender.baseBackup({
        label: `compose-db-backup ${stem}`,
        // what is sent is compressed before it is uploaded: the limit of uploads holds it back, and this from the server's disk
        ...(rate === undefined ? {} : { maxBytesPerSecond: rate * 8 }),
      }),
      (archive, { count, expectedBytes }) => {
        const stored = storeArchive({
          store,
          repository,
          stem,
          compression: config.values.BASE_COMPRESSION,
          archive: count === 1 ? undefined : archive,
          name: archive,
          expectedBytes: expectedBytes ?? totalBytes,
          fail: (error) => {
            failed.abort(error);
            walsender.cut();
          },
          signal,
        });
        archives.push(stored);
        return stored;
      },
      (bytes) => {
        progress.add(bytes - sentBytes);
        sentBytes = bytes;
      },
    ).catch((error: unknown) => {
      throw failed.signal.aborted ? failed.signal.reason : asOperatorError(server, error);
    });
    const endedAt = await clock(connection);
    const transactions = await nextTransactions(connection);
    const goesOn =
      chain === undefined ? undefined : await untilStored(connection, { store, server, chain, sent, signal });
    if (goesOn === undefined)
      log.warn(
        `the base of ${server.name} restores its own end alone, ${endedAt.toISOString()}: no log goes on from it, because ${
          chain === undefined ? 'none is taken' : 'the receiver has not stored it so far'
        }`,
      );
    const objects = archives.map((archive) => archive.object(sent.rawBytes));
    const sum = (of: 'sizeBytes' | 'rawBytes') => objects.reduce((total, object) => total + object[of], 0);
    const manifest: BaseManifest = {
      version: 1,
      kind: 'base',
      server: server.name,
      engine: server.engine,
      chain: goesOn ?? null,
      systemIdentifier,
      timeline: sent.timeline,
      startLsn: formatLsn(sent.startLsn),
      endLsn: formatLsn(sent.endLsn),
      startedAt: startedAt.toISOString(),
      endedAt: endedAt.toISOString(),
      ...facts,
      ...transactions,
      tablespaces: sent.tablespaces.flatMap(({ oid, location }) =>
        oid === undefined ? [] : [{ oid, location: location ?? '' }],
      ),
      compression: config.values.BASE_COMPRESSION.method,
      encryption: repository.encryption.recipients.length > 0 ? 'age' : null,
      objects,
      rawBytes: sum('rawBytes'),
    };
    await store.commitBase(stem, manifest, signal);
    const { startLsn, endLsn } = manifest;
    return {
      key: baseManifestKey(stem),
      server: server.name,
      chain: manifest.chain,
      startLsn,
      endLsn,
      startedAt: manifest.startedAt,
      endedAt: manifest.endedAt,
      sizeBytes: sum('sizeBytes'),
      rawBytes: manifest.rawBytes,
    };
  } catch (error) {
    failed.abort(error);
    await withdraw(store, archives, error);
    throw error;
  } finally {
    progress.end();
    await walsender.close();
  }
}

/** A stream that breaks off is the server's doing; what it is worth is known here. */
function asOperatorError(server: LogServer, error: unknown): unknown {
  if (error instanceof OperatorError) return error;
  return new OperatorError('DUMP_INCOMPLETE', `the base of ${server.name} did not arrive whole: ${messageOf(error)}`, {
    hint: 'Nothing of it is used, and earlier bases stay. Look into the log of the server.',
    cause: error,
  });
}

/** Takes back what was stored; says so where it has no right to. */
async function withdraw(store: LogStore, archives: readonly StoredArchive[], reason: unknown): Promise<void> {
  await Promise.allSettled(archives.map((archive) => archive.discard()));
  const keys = archives.flatMap(({ isStored, key }) => (isStored() ? [key] : []));
  if (keys.length === 0) return;
  const failures = await store
    .remove(keys, AbortSignal.timeout(60_000))
    .catch((error: unknown) => keys.map((key) => ({ key, reason: messageOf(error) })));
  for (const { key, reason: why } of failures)
    log.warn(
      `${key} was stored, but its base failed (${messageOf(reason)}) and it could not be deleted: ${why}. Without a manifest it is none.`,
    );
}
