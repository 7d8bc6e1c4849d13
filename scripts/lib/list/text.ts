import type { Config } from '../config/config.ts';
import { FORMATS } from '../formats.ts';
import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { placeOf, sourceNamed } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log, print } from '../terminal/log.ts';
import { padEnd, widest } from '../terminal/table.ts';
import { shownTimeInTable } from '../terminal/time.ts';

/** What the key does not tell, the configuration of the source does: a listing asks nothing of the single backup. */
export function row(backup: Backup, config: Config, stores: readonly string[]) {
  const source = sourceNamed(config.sources, backup.source);
  return {
    key: backup.key,
    source: backup.source,
    database: source ? placeOf(source) : backup.source,
    engine: source?.engine ?? FORMATS[backup.format].engines[0],
    kind: backup.kind,
    createdAt: backup.createdAt.toISOString(),
    sizeBytes: backup.sizeBytes,
    manifest: backup.hasManifest,
    format: backup.format,
    compression: backup.compression,
    encrypted: backup.encrypted,
    held: backup.isHeld,
    stores,
  };
}

/** What the table needs beside the backups. */
export interface Shown {
  /** The description of the storage. */
  readonly where: string;
  readonly rows: readonly { readonly stores: readonly string[] }[];
  /** Why those that are held are, by key. */
  readonly why: ReadonlyMap<string, string | undefined>;
  readonly hasCopies: boolean;
}

/** Prints the backups, a line each. */
export function printTable(backups: readonly Backup[], { where, rows, why, hasCopies }: Shown) {
  if (backups.length === 0) {
    log.info(`no backups in ${where} yet; take one with: ${command('backup')}`);
    return;
  }
  const width = widest(backups.map(({ key }) => key));
  for (const [index, backup] of backups.entries()) {
    const notes = [
      ...(backup.kind === 'backup' ? [] : [backup.kind]),
      ...(backup.hasManifest ? [] : ['no manifest']),
      ...(backup.isHeld ? [`held${why.get(backup.key) ? `: ${why.get(backup.key)}` : ''}`] : []),
      ...(hasCopies ? [`in ${rows[index]?.stores.join(' + ')}`] : []),
    ];
    const time = shownTimeInTable(backup.createdAt);
    print(
      `${padEnd(backup.key, width)}  ${time}  ${formatBytes(backup.sizeBytes).padStart(10)}  ${notes.join(', ')}`.trimEnd(),
    );
  }
}
