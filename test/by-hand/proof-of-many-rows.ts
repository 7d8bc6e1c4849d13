#!/usr/bin/env tsx
// proof-of-many-rows.ts [ROWS]: what a proof of content takes for a table of that many rows (10,000,000), and whether it
// names the one in which a letter is then changed. Results: docs/performance.md.
import assert from 'node:assert/strict';
import { print } from '../../scripts/lib/terminal/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { backUpAndLoad } from '../support/proof.ts';

const rows = Number(process.argv[2] ?? 10_000_000);
const { postgres, missing } = await startPostgres();
if (missing) throw new Error(missing);

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const result = await work();
  print(`${what}: ${((Date.now() - started) / 1_000).toFixed(1)} s`);
  return result;
}

const database = postgres.freshName();
await postgres.create(database, 'empty');
await timed(`a table of ${rows.toLocaleString('en-US')} rows`, () =>
  postgres.sql(
    database,
    `create table events (id bigint primary key, at timestamptz not null, name text not null, amount numeric(10, 2));
     insert into events select n, timestamptz '2026-01-01' + n * interval '1 second', md5(n::text), n % 10007 from generate_series(1, ${rows}) n`,
  ),
);
const loaded = await timed('backed up and loaded, each row summed as it passed', () =>
  backUpAndLoad(postgres.env(database)),
);
const { checks, durationMs } = await timed('read again and compared', () => loaded.prove());
assert.ok(checks.every(({ ok }) => ok));
print(`${checks[0]?.detail} (${(durationMs / 1_000).toFixed(1)} s)`);
const changed = Math.floor(rows / 3);
await postgres.sql(loaded.staging, `update events set name = overlay(name placing 'x' from 7) where id = ${changed}`);
const failures = await timed('compared again, with one letter changed, and the row looked for', () =>
  loaded.failures(),
);
print(failures.content ?? '');
assert.match(failures.content ?? '', new RegExp(`table public\\.events differs: id=${changed} differs in name`));
await loaded.close();
await postgres.stop();
process.exit(0);
