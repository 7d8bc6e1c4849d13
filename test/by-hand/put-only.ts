#!/usr/bin/env tsx
// put-only.ts [MINUTES]: takes the log of a server that is written to, and a base now and then, with a key that may do nothing but
// put. Once the receiver streams it must not ask the store for anything else, and a base only once whether it is there. In the end the server is recovered, by a key that may
// read. Results: docs/reliability.md.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { print } from '../../scripts/lib/terminal/log.ts';
import { startCluster } from '../support/cluster.ts';
import { chainsOf, untilStored } from '../support/log.ts';
import { bundledVerbs, recoverToEnd } from '../support/long-run.ts';
import type { Operation } from '../support/s3-double-requests.ts';
import { until } from '../support/sessions.ts';
import { startStore } from '../support/stores.ts';

const PUT: readonly Operation[] = [
  'PutObject',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
];
const minutes = Number(process.argv[2] ?? 60);
const verbs = await bundledVerbs();
const cluster = await startCluster();
const { double, storeEnv } = await startStore({ allow: PUT });
mkdirSync(join(verbs.folder, 'notes'));
const env = {
  ...cluster.env('postgres'),
  ...storeEnv,
  PITR: 'true',
  PITR_INTERVAL: '1s',
  DRILL_DIR: join(verbs.folder, 'notes'),
};
await cluster.sql('postgres', 'create table ledger (n int primary key, v text)');
const receiver = verbs.start('receive', [], env);
await until('the receiver has stored its first base', () =>
  double.requests.some(({ key }) => /^base\/.*\.json$/.test(key)) ? true : undefined,
);
const started = Date.now();
const startUp = double.requests.length;
const length = minutes * 60_000;
let n = 0;
let bases = 1;
while (Date.now() - started < length) {
  const [row] = await cluster.sql(
    'postgres',
    `insert into ledger select n, repeat(md5(n::text), 20) from generate_series(${n + 1}, ${n + 50}) n returning n`,
  );
  n = row === undefined ? n : n + 50;
  // pauses in which the log stands still, too
  await sleep(n % 20_000 === 0 ? Math.min(20_000, length / 10) : 100);
  if (Date.now() - started < (length / 5) * bases) continue;
  await verbs.run('base', [], env);
  bases += 1;
}
await untilStored(cluster);
assert.equal(receiver.exitCode, null, 'the receiver still runs');
receiver.kill('SIGTERM');
await new Promise((resolve) => receiver.once('exit', resolve));
const asked = new Map<string, number>();
for (const { operation } of double.requests.slice(startUp)) asked.set(operation, (asked.get(operation) ?? 0) + 1);
double.change({ allow: undefined });
const chains = await chainsOf(env);
const recovered = await recoverToEnd(env);
const { host, port, user } = recovered;
const client = new pg.Client({ host, port, user, database: 'postgres' });
await client.connect();
const [{ all }] = (await client.query('select count(*)::int as all from ledger')).rows;
await client.end();
await recovered.stop();
print(`${minutes} minutes, ${bases} bases, ${n} rows: ${[...asked].map((each) => each.join(' ')).join(', ')}`);
print(`${chains.length} chain, ${chains[0]?.runs.length} stretch of log; ${all} rows recovered`);
assert.equal(all, n);
assert.equal(chains.length, 1);
assert.equal(chains[0]?.runs.length, 1);
// after its first upload each base looks whether the store has it, is refused, and looks no more; the receiver does not even that
assert.ok((asked.get('HeadObject') ?? 0) < bases, 'one look of each base that was taken since');
asked.delete('HeadObject');
assert.deepEqual(
  [...asked.keys()].filter((operation) => !(PUT as readonly string[]).includes(operation)),
  [],
);
await cluster.stop();
await double.close();
verbs.remove();
process.exit(0);
