import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after } from 'node:test';
import { until } from './verbs.ts';

/** What runs SQL in a database of a test's, by SQLite's own shell. */
export function sqlite(path: string, sql: string): string {
  return execFileSync('sqlite3', ['-batch', '-bail', '-cmd', '.timeout 60000', path], {
    input: sql,
    encoding: 'utf8',
  }).trim();
}

/** Tables whose rows are always as many, after every transaction, and whose moneys sum up to nothing. */
const SCHEMA = `
  CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT);
  CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id INTEGER, amount INTEGER);
  CREATE INDEX lines_of ON lines (order_id, amount);
  CREATE TABLE filler (bytes BLOB);
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO filler SELECT randomblob(4000) FROM n;`;
const STEP =
  "BEGIN IMMEDIATE; INSERT INTO orders (what) VALUES ('x'); INSERT INTO lines (order_id, amount) SELECT max(id), 5 FROM orders; UPDATE filler SET bytes = randomblob(4000) WHERE rowid IN (abs(random() % 200) + 1, abs(random() % 200) + 1); COMMIT;";

export type Journal = 'wal' | 'delete' | 'persist' | 'truncate';

export function makeDatabase(path: string, journal: Journal): void {
  sqlite(path, `PRAGMA journal_mode=${journal}; ${SCHEMA} ${STEP}`);
}

/** What only a state of one moment has. */
export function assertOfOneMoment(path: string): number {
  assert.equal(sqlite(path, 'PRAGMA integrity_check;'), 'ok');
  const [orders, lines, sum] = sqlite(path, 'SELECT (SELECT count(*) FROM orders), count(*), sum(amount) FROM lines;')
    .split('|')
    .map(Number);
  assert.equal(lines, orders);
  assert.equal(sum, (orders ?? 0) * 5);
  return orders ?? 0;
}

const running: ChildProcess[] = [];
after(() => {
  for (const child of running) if (child.pid !== undefined) kill(child);
});

/** It and what it has started. */
function kill(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** An application with the database open that writes to it as fast as it may. */
export async function startWriter(path: string): Promise<{ orders(): number; stop(): Promise<void> }> {
  const loop = `while :; do echo "${STEP}"; done | sqlite3 -cmd '.timeout 60000' "$0"`;
  const child = spawn('bash', ['-c', loop, path], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  running.push(child);
  const orders = () => Number(sqlite(path, 'SELECT count(*) FROM orders;'));
  const before = orders();
  await until('the application writes', () => orders() > before + 5 || undefined);
  return {
    orders,
    stop: async () => {
      kill(child);
      await until('the application has gone', () => child.exitCode !== null || child.signalCode !== null || undefined);
    },
  };
}

/** A session with the database open that does what it is told, and stays. */
export async function openSession(path: string, sql: string): Promise<{ stop(how?: NodeJS.Signals): Promise<void> }> {
  const marker = `${path}.said`;
  const child = spawn('sqlite3', ['-batch', '-cmd', '.timeout 60000', path], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  running.push(child);
  child.stdin?.write(`${sql}\n.output ${marker}\nSELECT 1;\n.output stdout\n`);
  await until('the session has done it', () => existsSync(marker) || undefined);
  execFileSync('rm', [marker]);
  return {
    stop: async (how = 'SIGTERM') => {
      child.kill(how);
      await until('the session has gone', () => child.exitCode !== null || child.signalCode !== null || undefined);
    },
  };
}
