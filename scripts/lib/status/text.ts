import { formatBytes, formatDuration } from '../quantities.ts';
import type { SourceStatus, Status } from './status.ts';

/** The width that every terminal has. */
const COLUMNS = 80;

/** The table for people: 80 columns, readable without colour, what is wrong in words below it. */
export function statusTable(status: Status): string {
  const rows = status.sources.map(row);
  const header = ['source', 'state', 'backup', 'size', 'stored', 'drill', 'RTO', 'next'];
  const others = header
    .slice(1)
    .map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i + 1]?.length ?? 0)));
  const nameWidth = Math.max(6, COLUMNS - others.reduce((sum, width) => sum + width + 2, 0));
  const widths = [Math.min(nameWidth, Math.max(6, ...rows.map(([name = '']) => name.length))), ...others];
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cut(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const notes = status.sources.flatMap((source) => [
    ...source.reasons.flatMap((reason) => wrap(`${source.source}: `, reason)),
    ...source.warnings.flatMap((warning) => wrap(`${source.source}: note: `, warning)),
    ...keptNotes(source),
  ]);
  return [line(header), ...rows.map(line), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

function row(source: SourceStatus): string[] {
  const age = (ms: number | null) => (ms === null ? 'none' : (formatDuration(Math.max(0, ms)).split(' ')[0] ?? ''));
  const drill =
    source.lastDrill === null ? 'none' : `${source.lastDrill.ok ? 'ok' : 'FAILED'} ${age(source.drillAgeMs)}`;
  return [
    source.source,
    source.ok ? 'ok' : 'STALE',
    source.rpoMs === null ? 'none' : `${age(source.rpoMs)} ago`,
    source.lastBackup === null ? '–' : formatBytes(source.lastBackup.sizeBytes),
    `${source.backups}, ${formatBytes(source.storedBytes)}`,
    drill,
    source.rtoMs === null ? '–' : formatDuration(source.rtoMs),
    source.nextRun === null ? '–' : `${source.nextRun.slice(11, 16)}Z`,
  ];
}

function keptNotes(source: SourceStatus): string[] {
  return (source.keptDatabases ?? []).flatMap(({ name, role, sizeBytes }) =>
    wrap(
      `${source.source}: note: `,
      `${name} (${formatBytes(sizeBytes)}) is kept, ${role === 'previous' ? 'for restore-undo' : 'since an undo'}`,
    ),
  );
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** Breaks a sentence at spaces so that no line is wider than the table. */
function wrap(start: string, text: string): string[] {
  const lines: string[] = [];
  let current = start;
  for (const word of text.split(/\s+/)) {
    if (current.length + word.length > COLUMNS && current.trim() !== '') {
      lines.push(current.trimEnd());
      current = '    ';
    }
    current += `${word} `;
  }
  return [...lines, current.trimEnd()];
}

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
