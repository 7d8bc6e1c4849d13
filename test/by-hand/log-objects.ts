#!/usr/bin/env tsx
// log-objects.ts [s3|directory] [DAYS]: what the verbs that list a log take of one server's that was written to without a pause for so
// many days, with a part every five seconds and a base a day: 30 days are 518,400 objects. `s3` is a double on this machine, so that each
// 1,000 keys of a listing cost next to nothing of the way to a real one. Results: docs/reliability.md.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { print } from '../../scripts/lib/terminal/log.ts';
import { logOfDays } from '../support/long-log.ts';
import { bundledVerbs } from '../support/long-run.ts';
import { startStore } from '../support/stores.ts';

const run = promisify(execFile);
const [where = 's3', days = '30'] = process.argv.slice(2);
const server = '127.0.0.1';

const verbs = await bundledVerbs();
const folder = mkdtempSync(join(tmpdir(), 'log-objects-'));
const { double, storeEnv } = await startStore();
const store: Record<string, string> = where === 's3' ? storeEnv : { BACKUP_DIR: join(folder, 'store') };
const made = new Set<string>();
let objects = 0;
for (const { key, text } of logOfDays({ server, days: Number(days), end: new Date(Date.now() - 2_000) })) {
  objects += 1;
  if (where === 's3') {
    double.seed(key, text);
    continue;
  }
  const path = join(folder, 'store', key);
  if (!made.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
  made.add(dirname(path));
  writeFileSync(path, text);
}
print(`${objects} objects of a log of ${days} days, with a base a day`);

mkdirSync(join(folder, 'copy'));
mkdirSync(join(folder, 'notes'));
const env = {
  ...store,
  PATH: process.env.PATH ?? '',
  HOME: verbs.folder,
  POSTGRES_HOST: server,
  // nobody listens there: what is measured is the store's part
  POSTGRES_PORT: '1',
  PITR: 'true',
  DRILL_DIR: join(folder, 'notes'),
  CONNECT_TIMEOUT: '1s',
};
const yesterday = new Date(Date.now() - 86_400_000).toISOString();
const at = new Date(Date.now() - 86_400_000 * Math.min(3, Number(days) / 2)).toISOString();
for (const [verb, ...args] of [
  ['status', '--json'],
  ['list', '--pitr', '--json'],
  ['cleanup', '--dry-run', '--json'],
  ['restore', '--at', at, '--to', 'beside', '--json'],
  ['commits', '--at', yesterday, '--for', '1m', '--json'],
  ['verify', '--json'],
] as const) {
  const requests = double.requests.length;
  const started = performance.now();
  const command = ['--enable-source-maps', join(verbs.folder, 'verbs', `${verb}.mjs`), ...args];
  const watched = ['-f', 'used %M %U %S', process.execPath, ...command];
  const { stderr } = await run('/usr/bin/time', watched, { env, cwd: verbs.folder, maxBuffer: 2 ** 30 }).catch(
    (error) => error,
  );
  const seconds = (performance.now() - started) / 1_000;
  const [, peak, user, system] = /used (\d+) (\S+) (\S+)/.exec(stderr) ?? [];
  const cpu = Number(user) + Number(system);
  print(
    `${verb.padEnd(8)} ${seconds.toFixed(1)} s, CPU ${cpu.toFixed(1)} s, ${(Number(peak) / 1_024).toFixed(0)} MiB, ${double.requests.length - requests} requests`,
  );
}
await double.close();
verbs.remove();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
