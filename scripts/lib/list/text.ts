import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { describeLeftOut } from '../repository/left-out.ts';
import type { LeftOut } from '../repository/manifest.ts';
import { command } from '../terminal/hints.ts';
import { log, print } from '../terminal/log.ts';
import { padEnd, widest } from '../terminal/table.ts';
import { shownTimeInTable } from '../terminal/time.ts';

/** What the table needs beside the backups. */
export interface Shown {
  /** The description of the storage. */
  readonly where: string;
  storesOf(backup: Backup): readonly string[];
  /** What it was made without, where that is known. */
  leftOutOf(backup: Backup): LeftOut | undefined;
  /** Why those that are held are, by key. */
  readonly why: ReadonlyMap<string, string | undefined>;
  readonly hasCopies: boolean;
}

/** Prints the backups, a line each. */
export function printTable(backups: readonly Backup[], { where, storesOf, leftOutOf, why, hasCopies }: Shown) {
  if (backups.length === 0) {
    log.info(`no backups in ${where} yet; take one with: ${command('backup')}`);
    return;
  }
  const width = widest(backups.map(({ key }) => key));
  for (const backup of backups) {
    const leftOut = describeLeftOut({ leftOut: leftOutOf(backup) });
    const notes = [
      ...(backup.kind === 'backup' ? [] : [backup.kind]),
      ...(backup.hasManifest ? [] : ['no manifest']),
      ...(backup.isHeld ? [`held${why.get(backup.key) ? `: ${why.get(backup.key)}` : ''}`] : []),
      ...(leftOut === undefined ? [] : [`without ${leftOut}`]),
      ...(hasCopies ? [`in ${storesOf(backup).join(' + ')}`] : []),
    ];
    const time = shownTimeInTable(backup.createdAt);
    print(
      `${padEnd(backup.key, width)}  ${time}  ${formatBytes(backup.sizeBytes).padStart(10)}  ${notes.join(', ')}`.trimEnd(),
    );
  }
}
