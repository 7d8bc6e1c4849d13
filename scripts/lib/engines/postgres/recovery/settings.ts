import { runProgram, type Stage } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { CalledAround } from '../server/called-around.ts';
import { quoted, type RecoveryTarget, targetSettings } from './target.ts';

/** What pg_controldata says of a data folder, by its own words. */
export type ControlData = ReadonlyMap<string, string>;

/** @throws OperatorError PROCESS_FAILED with the program's words */
export async function readControlData(program: string, data: string, as: Partial<Stage>): Promise<ControlData> {
  const result = await runProgram({ ...as, name: 'pg_controldata', command: program, args: ['-D', data] });
  if (result.exitCode !== 0) throw stageError(result);
  return new Map(
    result.stdout
      .split('\n')
      .map((line) => /^([^:]+):\s+(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, name = '', value = '']) => [name, value]),
  );
}

/** Room for those that began to be used after the base: a server that has too little of them ends the recovery. */
const LEAST = { max_prepared_transactions: 64, max_replication_slots: 100 } as const;

/** What the source's own configuration may set otherwise, and by which data is read. */
const READING = ['default_text_search_config', 'DateStyle', 'IntervalStyle'];

/**
 * A configuration of ours for a recovering server, instead of the source's: that may include files that are not here,
 * and preload what is not installed. Nobody reaches the server, and with hot_standby off it does not wait for somebody to
 * raise max_connections, which the source may have done since the base.
 */
export function recoverySettings(options: {
  readonly major: number;
  readonly control: ControlData;
  readonly socketFolder: string;
  readonly hbaFile: string;
  readonly restoreCommand: string;
  readonly timeline: number;
  readonly target: RecoveryTarget | undefined;
  /** By which the source reads data, name and value. */
  readonly reading: Readonly<Record<string, string>>;
  /** Extensions that have to be preloaded, or rows that they keep are not read; their workers would change what is there. */
  readonly preloaded?: readonly Pick<CalledAround, 'name' | 'idle'>[];
  /** Write as a server whose files are to stay. */
  readonly durable: boolean;
}): string {
  const { major, control, durable, preloaded = [] } = options;
  const controlled = (name: string, least: number) =>
    Math.max(least, Number.parseInt(control.get(`${name} setting`) ?? '0', 10));
  const segmentMb = Number.parseInt(control.get('Bytes per WAL segment') ?? '16777216', 10) / 2 ** 20;
  const lines = [
    `listen_addresses = ''`,
    `port = 5432`,
    `unix_socket_directories = ${quoted(options.socketFolder)}`,
    `hba_file = ${quoted(options.hbaFile)}`,
    'ssl = off',
    `restore_command = ${quoted(options.restoreCommand)}`,
    `recovery_target_timeline = ${quoted(String(options.timeline))}`,
    `recovery_target_action = 'promote'`,
    ...targetSettings(options.target),
    'hot_standby = off',
    `max_connections = ${controlled('max_connections', 100)}`,
    `max_worker_processes = ${controlled('max_worker_processes', 8)}`,
    `max_prepared_transactions = ${controlled('max_prepared_xacts', LEAST.max_prepared_transactions)}`,
    `max_locks_per_transaction = ${controlled('max_locks_per_xact', 64)}`,
    `max_replication_slots = ${LEAST.max_replication_slots}`,
    ...(major >= 18 ? [`max_active_replication_origins = ${LEAST.max_replication_slots}`] : []),
    'max_wal_senders = 0',
    'wal_level = minimal',
    'archive_mode = off',
    `shared_preload_libraries = ${quoted(preloaded.map(({ name }) => name).join(','))}`,
    ...preloaded.map(({ idle }) => idle),
    'max_logical_replication_workers = 0',
    "synchronous_standby_names = ''",
    ...(major >= 17 ? ['event_triggers = off'] : []),
    'autovacuum = off',
    'restart_after_crash = off',
    'shared_buffers = 256MB',
    // a server refuses to start with less than two segments in either
    `min_wal_size = ${Math.max(80, 2 * segmentMb)}MB`,
    `max_wal_size = ${Math.max(1024, 2 * segmentMb)}MB`,
    'wal_recycle = off',
    'wal_init_zero = off',
    ...(durable ? [] : ['fsync = off', 'full_page_writes = off']),
    'allow_in_place_tablespaces = on',
    'logging_collector = off',
    'log_destination = stderr',
    'log_checkpoints = off',
    ...READING.flatMap((name) => {
      const value = options.reading[name];
      return value === undefined ? [] : [`${name} = ${quoted(value)}`];
    }),
    "lc_messages = 'C'",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = ''",
  ];
  return `${lines.join('\n')}\n`;
}
