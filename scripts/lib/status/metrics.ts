import type { StoreStatus } from './copies.ts';
import type { ServerStatus } from './servers.ts';
import type { SourceStatus, Status } from './status.ts';

interface Metric<T> {
  readonly help: string;
  readonly value: (of: T) => number | null | undefined;
}

const seconds = (ms: number | null | undefined) => (ms === null || ms === undefined ? undefined : ms / 1_000);
const timestamp = (iso: string | undefined) => (iso === undefined ? undefined : Date.parse(iso) / 1_000);

/** Gauges, each by source; named as https://prometheus.io/docs/practices/naming/ asks. */
const METRICS: Readonly<Record<string, Metric<SourceStatus>>> = {
  database_backup_ok: { help: 'Whether nothing of the source is stale or failing.', value: (s) => Number(s.ok) },
  database_backup_last_timestamp_seconds: {
    help: 'When the last backup was taken.',
    value: (s) => timestamp(s.lastBackup?.createdAt),
  },
  database_backup_last_size_bytes: { help: 'Stored size of the last backup.', value: (s) => s.lastBackup?.sizeBytes },
  database_backup_stored_bytes: { help: 'Stored size of all backups.', value: (s) => s.storedBytes },
  database_backup_backups: { help: 'Number of backups, safety backups aside.', value: (s) => s.backups },
  database_backup_rpo_target_seconds: { help: 'RPO_TARGET.', value: (s) => seconds(s.rpoTargetMs) },
  database_backup_drill_ok: {
    help: 'Whether the last drill passed.',
    value: (s) => (s.lastDrill === null ? undefined : Number(s.lastDrill.ok)),
  },
  database_backup_drill_last_timestamp_seconds: {
    help: 'When the last drill began.',
    value: (s) => timestamp(s.lastDrill?.at),
  },
  database_backup_drill_restore_seconds: {
    help: 'How long the last drill took to restore (RTO).',
    value: (s) => seconds(s.rtoMs),
  },
  database_backup_rto_target_seconds: { help: 'RTO_TARGET.', value: (s) => seconds(s.rtoTargetMs) },
  database_backup_warnings: { help: 'Number of notes that status has on the source.', value: (s) => s.warnings.length },
};

/** Gauges, each by store: `primary`, and every copy by its name. */
const STORE_METRICS: Readonly<Record<string, Metric<StoreStatus>>> = {
  database_backup_store_ok: { help: 'Whether nothing of the store is late or failing.', value: (s) => Number(s.ok) },
  database_backup_store_away: { help: 'Whether the store does not answer.', value: (s) => Number(s.isAway) },
  database_backup_store_last_timestamp_seconds: {
    help: 'When the newest backup in the store was taken.',
    value: (s) => timestamp(s.lastBackup?.createdAt),
  },
  database_backup_store_lag_seconds: {
    help: 'How far the store is behind the primary one.',
    value: (s) => seconds(s.lagMs),
  },
  database_backup_store_missing: { help: 'Backups that the store should have and has not.', value: (s) => s.missing },
  database_backup_store_unreadable: {
    help: 'Backups that were damaged when they were last read back.',
    value: (s) => s.unreadable,
  },
  database_backup_store_verified_timestamp_seconds: {
    help: 'When the store was last read back.',
    value: (s) => timestamp(s.lastVerified ?? undefined),
  },
  database_backup_store_drill_timestamp_seconds: {
    help: 'When a backup of the store was last drilled.',
    value: (s) => timestamp(s.lastDrill ?? undefined),
  },
  database_backup_store_locked_until_timestamp_seconds: {
    help: 'Until when the newest backup is locked.',
    value: (s) => timestamp(s.lock?.until),
  },
  database_backup_store_destroyable: {
    help: "Whether somebody with this machine's keys can delete what is in the store, as was tried.",
    value: (s) => (s.isDestroyable === null ? undefined : Number(s.isDestroyable)),
  },
};

/** Gauges of the log, each by server. */
const LOG_METRICS: Readonly<Record<string, Metric<ServerStatus>>> = {
  database_backup_log_ok: { help: 'Whether nothing of the log is stale or failing.', value: (s) => Number(s.ok) },
  database_backup_wal_exposed_seconds: {
    help: 'For how long what is not stored has been waiting at most.',
    value: (s) => seconds(s.exposedMs),
  },
  database_backup_wal_lag_bytes: { help: 'Log that is not stored yet.', value: (s) => s.lagBytes },
  database_backup_slot_retained_bytes: {
    help: 'Log that the server keeps for the replication slot.',
    value: (s) => s.slot?.retainedBytes,
  },
  database_backup_recoverable_seconds: {
    help: 'How far back any moment can be restored without a gap.',
    value: (s) => {
      const last = s.recoverable.at(-1);
      return last && (Date.parse(last.to) - Date.parse(last.from)) / 1_000;
    },
  },
  database_backup_base_last_timestamp_seconds: {
    help: 'When the last base ended.',
    value: (s) => timestamp(s.lastBase?.endedAt),
  },
  database_backup_log_stored_bytes: { help: 'Stored size of the log and its bases.', value: (s) => s.storedBytes },
};

/** Prometheus' text exposition format. */
export function statusMetrics(status: Status): string {
  return [
    ...gauges(METRICS, 'source', status.sources, ({ source }) => source),
    ...gauges(STORE_METRICS, 'store', [status.primary, ...status.copies], ({ name }) => name),
    ...gauges(LOG_METRICS, 'server', status.servers, ({ server }) => server),
  ].join('\n');
}

function gauges<T>(
  metrics: Readonly<Record<string, Metric<T>>>,
  label: string,
  items: readonly T[],
  nameOf: (item: T) => string,
): string[] {
  return Object.entries(metrics).flatMap(([name, { help, value }]) => {
    const samples = items.flatMap((item) => {
      const number = value(item);
      return number === null || number === undefined
        ? []
        : [`${name}{${label}="${escapeLabel(nameOf(item))}"} ${number}`];
    });
    return samples.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...samples];
  });
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
