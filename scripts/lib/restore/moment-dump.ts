import { startStream } from '../backup/stream.ts';
import type { DumpSession } from '../engines/dumping.ts';
import { engineOf } from '../engines/index.ts';
import { OperatorError } from '../errors.ts';
import type { StageResult } from '../pipeline/result.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { DatabaseSource } from '../source.ts';

/** A dump of a database of a recovered server, which goes from there straight to where it is loaded: no object is made of it. */
export interface MomentDump {
  readonly backup: Backup;
  readonly manifest: Manifest;
  readonly globals: string | undefined;
  /** Stands in for the repository that a backup would be read from. */
  readonly reader: Repository;
  /** What it holds, once it has been read. */
  contents(): Promise<Contents>;
  close(): Promise<void>;
}

const NOTHING = { reached: () => {}, add: () => {}, end: () => {} };

/**
 * Begins such a dump.
 * @param place the database on the recovered server
 * @param what what messages call it
 */
export async function beginMomentDump(
  repository: Repository,
  place: DatabaseSource,
  what: string,
  signal: AbortSignal,
): Promise<MomentDump> {
  const engine = await engineOf(place.engine);
  const source: DatabaseSource = {
    ...place,
    format: 'sql',
    compression: { method: 'none' },
    jobs: 1,
    jobsBySize: false,
  };
  const session = await engine.beginDump(source, { signal });
  const [stream] = session.streams;
  if (!stream) throw new OperatorError('PROCESS_FAILED', 'a dump without a stream');
  let end: (results: readonly (readonly StageResult[])[]) => void = () => {};
  const ended = new Promise<readonly (readonly StageResult[])[]>((resolve) => {
    end = resolve;
  });
  const contents = session.contents(ended);
  // one that fails before it is asked for has been told by what failed
  contents.catch(() => {});
  async function* read(): AsyncGenerator<Uint8Array> {
    const unsealed = { sealingStages: () => [] } as unknown as Repository;
    const running = startStream(
      { source, repository: unsealed },
      stream as NonNullable<typeof stream>,
      NOTHING,
      signal,
    );
    yield* running.body;
    end([await running.finished]);
  }
  return {
    backup: backupOf(session, source, what, repository.encryption.recipients.length > 0),
    manifest: manifestOf(session, source),
    globals: await session.globals(),
    reader: {
      ...repository,
      openingStages: () => [],
      read,
      // the server that it comes from has been proved already
      readAll: async function* () {},
    },
    contents: () => contents,
    close: () => session.close(),
  };
}

function backupOf({ createdAt, facts }: DumpSession, source: DatabaseSource, what: string, encrypted: boolean): Backup {
  return {
    key: what,
    stem: what,
    source: source.name,
    kind: 'backup',
    createdAt,
    sizeBytes: facts.tableBytes ?? 0,
    hasManifest: true,
    format: 'sql',
    compression: 'none',
    // rows are not to be shown in messages where the repository hides them
    encrypted,
    globalsKey: undefined,
    parts: [],
    isHeld: false,
  };
}

function manifestOf({ createdAt, facts }: DumpSession, source: DatabaseSource): Manifest {
  const now = createdAt.toISOString();
  return {
    version: 1,
    source: source.name,
    engine: source.engine,
    database: source.database,
    kind: 'backup',
    createdAt: now,
    startedAt: now,
    finishedAt: now,
    ...facts,
    format: 'sql',
    compression: 'none',
    encryption: null,
    objects: [],
    rawBytes: facts.tableBytes ?? 0,
    tables: [],
    sequences: [],
  };
}
