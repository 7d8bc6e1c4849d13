import type { SourceStatus, Status } from './status.ts';

interface Metric {
  readonly help: string;
  readonly value: (source: SourceStatus) => number | null | undefined;
}

const seconds = (ms: number | null | undefined) => (ms === null || ms === undefined ? undefined : ms / 1_000);
const timestamp = (iso: string | undefined) => (iso === undefined ? undefined : Date.parse(iso) / 1_000);

/** Gauges, each by source; named as https://prometheus.io/docs/practices/naming/ asks. */
const METRICS: Readonly<Record<string, Metric>> = {
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

/** Prometheus' text exposition format. */
export function statusMetrics(status: Status): string {
  return Object.entries(METRICS)
    .flatMap(([name, { help, value }]) => {
      const samples = status.sources.flatMap((source) => {
        const number = value(source);
        return number === null || number === undefined
          ? []
          : [`${name}{source="${escapeLabel(source.source)}"} ${number}`];
      });
      return samples.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...samples];
    })
    .join('\n');
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
