import pg from 'pg';
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

/** Asks the server over an ordinary session. */
export async function readServerFacts(connection: Connection): Promise<ServerFacts> {
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
