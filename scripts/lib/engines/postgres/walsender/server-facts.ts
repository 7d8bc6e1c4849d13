import pg from 'pg';
import { formatBytes } from '../../../quantities.ts';
import type { DatabaseSource } from '../../../source.ts';
import { APPLICATION_NAME } from '../server/client.ts';
import type { Connection } from '../server/connection.ts';
import { OLDEST_VERSION } from './walsender.ts';

/** What a server is set to, as far as its log's taking depends on it. */
export interface ServerFacts {
  readonly versionNum: number;
  readonly walLevel: string;
  readonly segmentBytes: number;
  readonly maxWalSenders: number;
  readonly maxReplicationSlots: number;
  readonly usedSlots: number;
  readonly walSenderTimeoutMs: number;
  /** What slots may keep in all; undefined for no limit. */
  readonly slotKeepBytes: number | undefined;
  readonly synchronousStandbyNames: string;
  readonly mayReplicate: boolean;
  readonly mayMark: boolean;
  readonly isStandby: boolean;
  /** Slots of receivers for other repositories, or other names of this server, that nobody streams by. */
  readonly leftSlots: readonly { readonly name: string; readonly retainedBytes: number }[];
}

const SETTINGS = [
  'wal_level',
  'wal_segment_size',
  'max_wal_senders',
  'max_replication_slots',
  'wal_sender_timeout',
  'max_slot_wal_keep_size',
  'synchronous_standby_names',
];
const MEBIBYTE = 2 ** 20;

/** Not `cdb_base_`, which ends with its session: slotFamily has eight hexadecimal digits. */
const LEFT_SLOTS = `
  select slot_name as name, coalesce(pg_catalog.pg_wal_lsn_diff(
    case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_lsn() end,
    restart_lsn), 0)::text as retained
  from pg_catalog.pg_replication_slots
  where slot_type = 'physical' and not active and not temporary and slot_name ~ '^cdb_[0-9a-f]{8}_'
    and not pg_catalog.starts_with(slot_name, $1)
  order by slot_name`;

/**
 * Asks the server over an ordinary session.
 * @param family what our own slots are called: see slotFamily
 */
export async function readServerFacts(connection: Connection, family: string): Promise<ServerFacts> {
  const rows = await connection.query<{ name: string; setting: string }>(
    'select name, setting from pg_catalog.pg_settings where name = any($1)',
    [SETTINGS],
  );
  const setting = new Map(rows.map((row) => [row.name, row.setting]));
  const number = (name: string) => Number(setting.get(name) ?? Number.NaN);
  const [role] = await connection.query<{ replicates: boolean; marks: boolean; standby: boolean; slots: number }>(`
    select r.rolsuper or r.rolreplication as replicates,
      pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'execute') as marks,
      pg_catalog.pg_is_in_recovery() as standby,
      (select count(*)::int from pg_catalog.pg_replication_slots) as slots
    from pg_catalog.pg_roles r where r.rolname = current_user`);
  const left = await connection.query<{ name: string; retained: string }>(LEFT_SLOTS, [family]);
  const keep = number('max_slot_wal_keep_size');
  return {
    versionNum: connection.serverVersionNum,
    walLevel: setting.get('wal_level') ?? '',
    segmentBytes: number('wal_segment_size'),
    maxWalSenders: number('max_wal_senders'),
    maxReplicationSlots: number('max_replication_slots'),
    usedSlots: role?.slots ?? 0,
    walSenderTimeoutMs: number('wal_sender_timeout'),
    slotKeepBytes: keep < 0 ? undefined : keep * MEBIBYTE,
    synchronousStandbyNames: setting.get('synchronous_standby_names') ?? '',
    mayReplicate: role?.replicates === true,
    mayMark: role?.marks === true,
    isStandby: role?.standby === true,
    leftSlots: left.map(({ name, retained }) => ({ name, retainedBytes: Number(retained) })),
  };
}

/** Something that a server lacks, or should be known of it. */
export interface Finding {
  /** `lacks`: nothing works without it. */
  readonly kind: 'lacks' | 'warns';
  readonly what: string;
  /** The exact lines that mend it. */
  readonly how: string;
}

/**
 * What of a server's settings keeps its log from being taken, or endangers the server.
 * @param isSynchronous PITR_SYNCHRONOUS
 */
export function findingsOf(facts: ServerFacts, source: DatabaseSource, isSynchronous: boolean): Finding[] {
  const findings: Finding[] = [];
  const lacks = (what: string, how: string) => findings.push({ kind: 'lacks', what, how });
  const warns = (what: string, how: string) => findings.push({ kind: 'warns', what, how });
  const role = pg.escapeIdentifier(source.user);
  const restart = 'and restart the server.';
  if (facts.versionNum < OLDEST_VERSION) {
    lacks(
      `it is PostgreSQL ${Math.floor(facts.versionNum / 10_000)}`,
      'Point in time needs 15 or newer; dumps work with this one.',
    );
  }
  if (facts.walLevel === 'minimal') lacks('wal_level is minimal', `ALTER SYSTEM SET wal_level = 'replica'; ${restart}`);
  if (facts.maxWalSenders < 2)
    lacks(`max_wal_senders is ${facts.maxWalSenders}`, `ALTER SYSTEM SET max_wal_senders = 10; ${restart}`);
  if (facts.maxReplicationSlots < 2) {
    lacks(
      `max_replication_slots is ${facts.maxReplicationSlots}`,
      `ALTER SYSTEM SET max_replication_slots = 10; ${restart}`,
    );
  }
  if (!facts.mayReplicate) lacks(`${source.user} may not take the log`, `ALTER ROLE ${role} REPLICATION;`);
  if (waitsForUs(facts.synchronousStandbyNames) && !isSynchronous) {
    lacks(
      `synchronous_standby_names is ${JSON.stringify(facts.synchronousStandbyNames)}, which means us: every commit would wait until the store has it`,
      'Name the standbys that are meant, or set PITR_SYNCHRONOUS=true: then nothing is ever lost, and commits take as long as the store.',
    );
  }
  if (facts.slotKeepBytes === undefined) {
    warns(
      'max_slot_wal_keep_size is not set: while nobody takes the log, the server keeps all of it, until its disk is full',
      "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();",
    );
  }
  for (const { name, retainedBytes } of facts.leftSlots)
    warns(
      `nobody streams by the slot ${name}, and the server keeps ${formatBytes(retainedBytes)} of log for it: it is of a receiver with another S3_PREFIX, or from when this server had another name`,
      `SELECT pg_drop_replication_slot('${name}'); unless its receiver is to go on.`,
    );
  if (!facts.mayMark && !facts.isStandby) {
    warns(`${source.user} may not set marks`, `GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO ${role};`);
  }
  return findings;
}

/** Whether a session of our name is a synchronous standby by these names: `*`, or `FIRST 1 (a, "compose-db-backup")`. */
export function waitsForUs(names: string): boolean {
  const list = /\(([^)]*)\)/.exec(names)?.[1] ?? names;
  return list
    .split(',')
    .map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase(),
    )
    .some((name) => name === '*' || name === APPLICATION_NAME);
}
