import type { Config } from '../config/config.ts';
import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { log, print } from '../terminal/log.ts';

/** What the key does not tell, the configuration of the source does: a listing asks nothing of the single backup. */
export function row(backup: Backup, config: Config) {
  const configured = config.sources.find((source) => source.name === backup.source);
  const server = config.sources.find(
    (source) => source.database === '*' && backup.source.startsWith(`${source.name}.`),
  );
  return {
    key: backup.key,
    source: backup.source,
    database: configured?.database ?? (server ? backup.source.slice(server.name.length + 1) : backup.source),
    engine: (configured ?? server)?.engine ?? (backup.format === 'tar' ? 'files' : 'postgres'),
    kind: backup.kind,
    createdAt: backup.createdAt.toISOString(),
    sizeBytes: backup.sizeBytes,
    manifest: backup.hasManifest,
    format: backup.format,
    compression: backup.compression,
    encrypted: backup.encrypted,
  };
}

/** Prints the backups, a line each. @param where the description of the storage */
export function printTable(backups: readonly Backup[], where: string) {
  if (backups.length === 0) {
    log.info(`no backups in ${where} yet; take one with: make backup`);
    return;
  }
  const width = Math.max(...backups.map(({ key }) => key.length));
  for (const backup of backups) {
    const notes = [...(backup.kind === 'backup' ? [] : [backup.kind]), ...(backup.hasManifest ? [] : ['no manifest'])];
    const time = backup.createdAt.toISOString().slice(0, 19).replace('T', ' ');
    print(
      `${backup.key.padEnd(width)}  ${time}Z  ${formatBytes(backup.sizeBytes).padStart(10)}  ${notes.join(', ')}`.trimEnd(),
    );
  }
}
