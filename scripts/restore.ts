#!/usr/bin/env tsx
import { isValid } from 'date-fns/isValid';
import { parseISO } from 'date-fns/parseISO';
import { loadConfig } from './lib/config/config.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { type Report, reported } from './lib/notify/reporting.ts';
import { formatBytes, formatDuration } from './lib/quantities.ts';
import { type RestoreResult, restore, undo } from './lib/restore/restore.ts';
import { openStorage } from './lib/storages/index.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
restore KEY|latest  [--source NAME] [--at TIME] [--to DATABASE] [--json]
restore --undo      [--source NAME] [--json]

Restores a backup into a staging database beside the live one, compares it with the manifest, and only then swaps
it in, by renaming. The replaced database is kept, and dumped as a safety backup. Any failure before the swap leaves
the live database as it was. Folders go the same way. See list for the keys.

  --source NAME   the source to restore into, and whose latest backup is meant
  --at TIME       with latest: the newest backup at or before this time (ISO 8601, UTC unless it says otherwise)
  --to DATABASE   restore beside the live database under this name, and swap nothing; of a folder: a name or a path
  --undo          swap the database that the last restore replaced back in
  --json          one JSON document: {key, database, previousDatabase, safetyBackup, tables, rows, durationMs}

Exit codes: 0 done, 1 failed (the live database is as it was), 2 wrong usage or configuration, 4 another restore runs.`;

await main({
  help,
  options: {
    source: { type: 'string' },
    at: { type: 'string' },
    to: { type: 'string' },
    undo: { type: 'boolean' },
  },
  allowPositionals: true,
  run: async ({ options, words, json, signal }) => {
    const [wanted, ...others] = words;
    if (others.length > 0) throw usage(`one backup at a time: ${words.join(' ')}`);
    if (options.undo) {
      if (wanted !== undefined || options.to !== undefined || options.at !== undefined)
        throw usage('--undo takes no backup, --at or --to');
      const result = await undo(loadConfig(), options.source, signal);
      if (json) printJson(result);
      return EXIT.done;
    }
    if (wanted === undefined || wanted === '') throw usage('which backup? Give a key, or latest');
    if (options.at !== undefined && wanted !== 'latest') throw usage('--at goes with latest');
    if (options.to === '') throw usage('--to wants a database name');
    const config = loadConfig();
    const storage = await openStorage(config.storage, config.values.BACKUP_MAX_RATE);
    try {
      const request = {
        wanted,
        ...(options.source === undefined ? {} : { source: options.source }),
        ...(options.at === undefined ? {} : { at: timeOf(options.at) }),
        ...(options.to === undefined ? {} : { to: options.to }),
      };
      const result = await reported(config.values, 'restore', { reportOf }, () =>
        restore(config, storage, request, signal),
      );
      if (json) printJson(result);
      else printResult(result);
      return EXIT.done;
    } finally {
      storage.close();
    }
  },
});

function reportOf({ key, database, previousDatabase, safetyBackup, durationMs }: RestoreResult): Report {
  const what = `${key} restored into ${database} in ${formatDuration(durationMs)}`;
  if (previousDatabase === null || safetyBackup !== null)
    return { outcome: 'success', items: [{ source: database, what }] };
  const next = `The replaced database is kept as ${previousDatabase}; make backup once the cause in the log is mended.`;
  return { outcome: 'warning', items: [{ source: database, what: `${what}, but the safety backup failed`, next }] };
}

function usage(message: string): OperatorError {
  return new OperatorError('USAGE', message, {
    hint: 'make restore FILE=<key or latest>; make list-backups shows the keys.',
  });
}

/** A time as people write it: a date alone is its midnight, and without a zone it is UTC. 30 February is none. */
function timeOf(text: string): Date {
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const iso = text.trim().replace(' ', 'T');
  const time = parseISO(hasZone ? iso : `${iso.includes('T') ? iso : `${iso}T00:00:00`}Z`);
  if (!isValid(time)) throw usage(`--at ${JSON.stringify(text)} is not a time such as 2026-11-21T09:00:00Z`);
  return time;
}

function contentsOf({ tables, rows, files, fileBytes = 0 }: RestoreResult): string {
  return files === undefined ? `${tables} tables, ${rows} rows` : `${files} files, ${formatBytes(fileBytes)}`;
}

function printResult(result: RestoreResult) {
  print(`restored   ${result.key}`);
  print(`into       ${result.database} (${contentsOf(result)}) in ${formatDuration(result.durationMs)}`);
  if (result.previousDatabase === null) return;
  print(`replaced   kept as ${result.previousDatabase}`);
  print(`           safety backup ${result.safetyBackup ?? 'FAILED, see above'}`);
  print('undo       make restore-undo');
}
