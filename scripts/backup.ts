#!/usr/bin/env tsx
import { type BackupResult, backUp } from './lib/backup.ts';
import { loadConfig } from './lib/config.ts';
import { EXIT, type ExitCode, OperatorError } from './lib/errors.ts';
import { printJson } from './lib/log.ts';
import { main } from './lib/main.ts';
import { openStorage } from './lib/storages/index.ts';

const help = `
backup [source…]  [--json]

Dumps the sources (all of them, or those named), streams each into the storage and writes its manifest last.
What is backed up and where to: .env (see .env.example).

  --json   one JSON document on standard output: {results: [{source, ok, key, sizeBytes, rawBytes, durationMs}]}

Exit codes: 0 every source was backed up, 1 one or more failed, 2 wrong usage or configuration, 4 another run
holds the lock.`;

await main({
  help,
  options: {},
  allowPositionals: true,
  run: async ({ words, json, signal }) => {
    const config = loadConfig();
    const storage = await openStorage(config.storage);
    try {
      const results = await backUp(config, storage, words, signal);
      if (json) printJson({ results: results.map(({ cause: _, ...result }) => result) });
      return exitCodeOf(results);
    } finally {
      storage.close();
    }
  },
});

function exitCodeOf(results: readonly BackupResult[]): ExitCode {
  const failed = results.filter((result) => !result.ok);
  if (failed.length === 0) return EXIT.done;
  const codes = new Set(failed.map(({ cause }) => (cause instanceof OperatorError ? cause.exitCode : EXIT.failed)));
  return codes.size === 1 && codes.has(EXIT.locked) ? EXIT.locked : EXIT.failed;
}
