import { formatBytes, formatDuration } from '../quantities.ts';
import { tableOf, wrapped } from '../terminal/table.ts';
import type { StoreStatus } from './copies.ts';
import { serversTable } from './servers-table.ts';
import type { SourceStatus, Status } from './status.ts';

/** The table for people: 80 columns, readable without colour, what is wrong in words below it. */
export function statusTable(status: Status): string {
  const rows = status.sources.map(row);
  const header = ['source', 'state', 'backup', 'size', 'stored', 'drill', 'RTO', 'next'];
  const jobs = status.jobs.flatMap((job) => [
    ...job.reasons.flatMap((reason) => wrapped(`schedule: ${reason}`)),
    ...job.notes.flatMap((note) => wrapped(`schedule: note: ${note}`)),
  ]);
  const notes = status.sources.flatMap((source) => [
    ...source.reasons.flatMap((reason) => wrapped(`${source.source}: ${reason}`)),
    ...source.warnings.flatMap((warning) => wrapped(`${source.source}: note: ${warning}`)),
    ...keptNotes(source),
  ]);
  const stores = [status.primary, ...status.copies];
  const ofStores = stores.flatMap(({ name, reasons, warnings }) => [
    ...reasons.flatMap((reason) => wrapped(`${name}: ${reason}`)),
    ...warnings.flatMap((warning) => wrapped(`${name}: note: ${warning}`)),
  ]);
  const below = [...copyTable(status.copies), ...jobs, ...notes, ...ofStores, ...wrapped(status.protection)];
  return [
    ...tableOf([header, ...rows]),
    ...(below.length > 0 ? ['', ...below] : []),
    ...(status.servers.length > 0 ? ['', ...serversTable(status.servers)] : []),
  ].join('\n');
}

/** A line for each copy; none where there is none. */
function copyTable(copies: readonly StoreStatus[]): string[] {
  if (copies.length === 0) return [];
  const header = ['copy', 'state', 'backup', 'behind', 'missing', 'damaged', 'read back', 'locked until'];
  const rows = copies.map((copy) => [
    copy.name,
    copy.ok ? (copy.isAway ? 'away' : 'ok') : 'STALE',
    copy.lastBackup === null ? '–' : copy.lastBackup.createdAt.slice(0, 16).replace('T', ' '),
    copy.lagMs === null ? '–' : copy.lagMs === 0 ? 'no' : formatDuration(copy.lagMs),
    String(copy.missing ?? '–'),
    String(copy.unreadable ?? '–'),
    copy.lastVerified?.slice(0, 10) ?? 'never',
    copy.lock?.until.slice(0, 10) ?? '–',
  ]);
  return [...tableOf([header, ...rows]), ''];
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
    wrapped(
      `${source.source}: note: ${name} (${formatBytes(sizeBytes)}) is kept, ${role === 'previous' ? 'for restore-undo' : 'since an undo'}`,
    ),
  );
}
