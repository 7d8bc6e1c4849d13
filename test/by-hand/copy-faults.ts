#!/usr/bin/env tsx
// copy-faults.ts [FAULTS] [SEED] [CASE]: copies from one store to another while one thing goes wrong, in either of the two: a request
// refused, answered with an error, by something else than a store, cut off, hung, its answer lost or truncated; or the copy is
// killed. Each time: success is said only when everything is there, nothing half is listed, the primary store is as it was, and the
// next run completes it. Results: docs/reliability.md.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { catalogOf } from '../../scripts/lib/repository/catalog.ts';
import { storedOrder } from '../../scripts/lib/repository/keys-of.ts';
import { print } from '../../scripts/lib/terminal/log.ts';
import { Random } from '../faults/random.ts';
import { bundledVerbs } from '../support/long-run.ts';
import { ACCESS_KEY, startS3Double } from '../support/s3-double.ts';
import type { DoubleRequest, Fault, Operation } from '../support/s3-double-requests.ts';
import { storedBackup } from '../support/stored.ts';

const [faults = '300', seed = '20261127', only] = process.argv.slice(2);
const READS: readonly Operation[] = ['ListObjectsV2', 'GetObject', 'HeadObject'];
const WRITES: readonly Operation[] = ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'];
const FAULTS: readonly Fault[] = [
  'reset',
  'lost',
  'hang',
  { status: 500, code: 'InternalError' },
  { status: 503, code: 'SlowDown' },
  { status: 403, code: 'AccessDenied' },
  { status: 404, code: 'NoSuchKey' },
  { body: '<html>' },
  { truncateAt: 40 },
  { stallAt: 40 },
];

// one that is large enough to go in parts, one of several objects, and two small ones
const BACKUPS = [
  storedBackup('a', '2026-01-01T12:00:00Z'),
  storedBackup('a', '2026-01-02T12:00:00Z', { parts: 3 }),
  storedBackup('a', '2026-01-03T12:00:00Z', { bytes: randomBytes(20 * 2 ** 20) }),
  storedBackup('b', '2026-01-03T13:00:00Z', { kind: 'pre-restore' }),
];
const ALL = new Map(BACKUPS.flatMap(({ objects }) => [...objects]));
const verbs = await bundledVerbs();
const tally = new Map<string, number>();
let wrong = 0;

/** What goes wrong: the same for the same number. */
function faultOf(n: number) {
  const random = new Random(Number(seed) + n);
  const store = random.pick(['primary', 'copy'] as const);
  const operation = random.pick(store === 'primary' ? READS : [...READS, ...WRITES, ...WRITES]);
  return {
    ...{ store, operation, fault: random.pick(FAULTS), from: random.int(1, 8) },
    // once, some times, or for good
    times: random.pick([1, 1, 3, Number.POSITIVE_INFINITY]),
    killedAfterMs: random.chance(0.3) ? random.int(150, 1_500) : undefined,
  };
}

async function attempt(n: number): Promise<void> {
  const planned = faultOf(n);
  let isOn = true;
  let seen = 0;
  const faulty = (store: 'primary' | 'copy') => (request: DoubleRequest) => {
    if (!isOn || planned.killedAfterMs !== undefined || store !== planned.store) return undefined;
    if (request.operation !== planned.operation) return undefined;
    seen += 1;
    return seen >= planned.from && seen < planned.from + planned.times ? planned.fault : undefined;
  };
  // slower than it could be, so that a kill meets it in the middle
  const delayMs = () => (planned.killedAfterMs === undefined ? 0 : 40);
  const primary = await startS3Double({ fault: faulty('primary') });
  const copy = await startS3Double({ fault: faulty('copy'), delayMs });
  const notes = mkdtempSync(join(tmpdir(), 'copy-faults-'));
  const env = {
    ...{ S3_ENDPOINT: primary.settings.endpoint, S3_ACCESS_KEY: ACCESS_KEY, S3_SECRET_KEY: primary.settings.secretKey },
    ...{ COPY_X: `s3://backups?endpoint=${copy.settings.endpoint}`, COPY_X_ACCESS_KEY: ACCESS_KEY },
    ...{ COPY_X_SECRET_KEY: copy.settings.secretKey, POSTGRES_DB: 'a' },
    ...{ DRILL_DIR: notes, RETENTION_KEEP_LAST: 'unlimited', STORAGE_TIMEOUT: '4s', CONNECT_TIMEOUT: '4s' },
  };
  for (const [key, bytes] of ALL) primary.seed(key, bytes);
  try {
    const child = verbs.start('copy', [], env);
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    if (planned.killedAfterMs !== undefined) {
      await sleep(planned.killedAfterMs);
      child.kill('SIGKILL');
    }
    const code =
      child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('close', (ended) => resolve(ended))));
    const what = code === 0 ? 'copied all the same' : code === null ? 'killed' : 'failed, and said so';
    tally.set(what, (tally.get(what) ?? 0) + 1);
    if (code === 0) assertWhole(copy.objects);
    else if (code !== null) assert.ok(code === 1 && /error: /.test(said), `exit ${code}: ${said}`);
    assertNothingHalf(copy.objects);
    assert.deepEqual([...primary.objects.keys()].sort(), [...ALL.keys()].sort(), 'the primary store is as it was');
    isOn = false;
    await verbs.run('copy', [], env);
    assertWhole(copy.objects);
  } catch (error) {
    wrong += 1;
    print(`case ${n}, ${JSON.stringify(planned)}: ${error instanceof Error ? error.message : error}`);
  } finally {
    await Promise.all([primary.close(), copy.close()]);
    rmSync(notes, { recursive: true, force: true });
  }
}

type Objects = ReadonlyMap<string, { readonly bytes: Buffer; readonly sizeBytes: number }>;

function assertWhole(objects: Objects): void {
  for (const [key, bytes] of ALL) assert.ok(objects.get(key)?.bytes.equals(bytes), `${key} is not there whole`);
}

/** Everything that is listed as a backup is there whole, byte for byte. */
function assertNothingHalf(objects: Objects): void {
  for (const backup of catalogOf(
    [...objects].map(([key, { sizeBytes }]) => ({ key, sizeBytes })),
    '',
  )) {
    const whole = BACKUPS.find(({ key }) => key === backup.key);
    const needed = backup.hasManifest ? [...(whole?.objects.keys() ?? [backup.key])] : storedOrder(backup);
    for (const key of needed)
      assert.ok(objects.get(key)?.bytes.equals(ALL.get(key) ?? Buffer.alloc(0)), `${key} is listed and not whole`);
  }
}

const cases = only === undefined ? Array.from({ length: Number(faults) }, (_, n) => n + 1) : [Number(only)];
for (const n of cases) {
  await attempt(n);
  if (n % 25 === 0) print(`${n} faults, ${wrong} wrong: ${[...tally].map(([what, of]) => `${of} ${what}`).join(', ')}`);
}
verbs.remove();
print(
  `${cases.length} faults of seed ${seed}: ${[...tally].map(([what, of]) => `${of} ${what}`).join(', ')}; ${wrong} wrong`,
);
process.exitCode = wrong === 0 ? 0 : 1;
