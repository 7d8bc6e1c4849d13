#!/usr/bin/env tsx
import { type Config, loadConfig } from './lib/config/config.ts';
import { EXIT } from './lib/errors.ts';
import { formatBytes } from './lib/quantities.ts';
import { type Backup, readCatalog } from './lib/repository/catalog.ts';
import { openStorage } from './lib/storages/index.ts';
import { log, print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
list  [--source NAME] [--json]

Lists the backups in the storage, the newest first.

  --source NAME   those of one source
  --json          one JSON document: [{key, source, database, engine, kind, createdAt, sizeBytes, manifest}]

Exit codes: 0 done, 1 the storage could not be read, 2 wrong usage or configuration.`;

await main({
  help,
  options: { source: { type: 'string' } },
  allowPositionals: false,
  run: async ({ options, json, signal }) => {
    const config = loadConfig();
    const storage = await openStorage(config.storage);
    try {
      const all = await readCatalog(storage, config.prefix, signal);
      const backups = all.filter((backup) => options.source === undefined || backup.source === options.source);
      if (json) printJson(backups.map((backup) => row(backup, config)));
      else printTable(backups, storage.description);
      return EXIT.done;
    } finally {
      storage.close();
    }
  },
});

/** What the key does not tell, the configuration of the source does: a listing asks nothing of the single backup. */
function row(backup: Backup, config: Config) {
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

function printTable(backups: readonly Backup[], storage: string) {
  if (backups.length === 0) {
    log.info(`no backups in ${storage} yet; take one with: make backup`);
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
