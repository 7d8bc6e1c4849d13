import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { bash } from '../../scripts/lib/pipeline/bash.ts';
import { type Chain, type Stage, startChain } from '../../scripts/lib/pipeline/chain.ts';
import { assertSucceeded } from '../../scripts/lib/pipeline/result.ts';
import { guardFolder } from './guarded-folder.ts';
import { DATABASE, type Place, PSQL_OPTIONS, run } from './place.ts';

/** A throwaway server writes as little log as it can; this one's is taken. */
const WITH_LOG = ['wal_level=replica', 'max_wal_senders=10', 'full_page_writes=on', 'synchronous_commit=on'];

const END_TOGETHER = fileURLToPath(new URL('./end-together.sh', import.meta.url));

/** A PostgreSQL server of this machine's programs and a directory as the storage, both in temporary folders. */
export async function bringUpOnHost(signal: AbortSignal): Promise<Place> {
  const [client] = await findPrograms('psql');
  if (!client) {
    throw new OperatorError('TOOL_MISSING', 'the PostgreSQL client psql is not installed here', {
      hint: 'Install it (apt-get install postgresql), or start a Docker engine.',
    });
  }
  const server = await startThrowawayServer({ tcp: true, settings: WITH_LOG, signal });
  // not inside the server's folder: a storage that goes with the database is none
  // and it goes when what writes into it has gone
  const folder = guardFolder((path) => ({ name: 'flock', command: 'flock', args: [lockIn(path), 'true'] }));
  const storage = join(folder.path, 'backups');
  mkdirSync(storage);
  // servers run as another user where this is root
  chmodSync(folder.path, 0o711);
  const drills = join(folder.path, 'drills');
  mkdirSync(drills);

  const psqlStage = (database: string, options: readonly string[]): Stage => ({
    name: 'psql',
    command: client.path,
    args: [
      ...PSQL_OPTIONS,
      `--host=${server.host}`,
      `--port=${server.port}`,
      `--username=${server.user}`,
      `--dbname=${database}`,
      ...options,
    ],
    env: { PGCLIENTENCODING: 'UTF8', PGSSLMODE: 'disable' },
  });
  const psql = async (database: string, sql: string, options: readonly string[] = []) => {
    const { stdout } = await run(psqlStage(database, options), { input: sql, signal });
    return stdout;
  };

  const stageOf = (name: string, args: readonly string[]): Stage => ({
    name,
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), scriptPath(name), ...args],
    // in a folder without .env, so that a real one next door is not read
    cwd: folder.path,
    env: {
      BACKUP_DIR: storage,
      POSTGRES_HOST: server.host,
      POSTGRES_PORT: String(server.port),
      POSTGRES_DB: DATABASE,
      POSTGRES_USER: server.user,
      PGSSLMODE: 'disable',
      PITR: 'true',
      PITR_INTERVAL: '1s',
      DRILL_DIR: drills,
    },
  });
  let receiver: Chain | undefined;
  const stop = async () => {
    receiver?.kill();
    await receiver?.finished;
    await server.stop();
    await folder.remove();
  };
  try {
    await psql('postgres', `create database ${DATABASE}`);
    const { command, args, ...stage } = stageOf('receive', []);
    const guarded = { ...stage, ...bash(END_TOGETHER, [lockIn(folder.path), command, ...args]) };
    receiver = startChain([guarded], { stdin: true, signal });
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    takesLog: true,
    about: [
      `Without Docker, on this machine alone: a real PostgreSQL ${server.version} server in a temporary folder, on a free port of 127.0.0.1, and another temporary folder as the storage for the backups. Nothing of yours is touched, no .env is read.`,
    ],
    removed: 'the server, its data, and the folder with the backups',
    leftOut: [
      'Garage, the S3-compatible store: it runs in a container. The backups went into a folder instead (BACKUP_DIR).',
      'Ofelia, which takes a backup every hour: it runs in a container too. Here you were the clock.',
      'The backup image, with the database clients in it: here the programs of this machine did the work.',
    ],
    verb: (name, args = []) => run(stageOf(name, args), { signal }),
    psql,
    byHand: async (key, database) => {
      await psql('postgres', `create database ${database}`);
      const unpack: Stage = { name: 'gunzip', command: 'gunzip', args: ['-c', join(storage, key)] };
      const results = await startChain([unpack, psqlStage(database, ['--output=/dev/null'])], { signal }).finished;
      signal.throwIfAborted();
      assertSucceeded(results);
    },
    stop,
  };
}

function lockIn(folder: string): string {
  return join(folder, 'receiver.lock');
}

function scriptPath(verb: string): string {
  return fileURLToPath(new URL(`../../scripts/${verb}.ts`, import.meta.url));
}
