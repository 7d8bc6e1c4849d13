import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import type { DoubleOptions } from '../support/s3-double-requests.ts';
import { startStore } from '../support/stores.ts';
import { done, runVerb } from '../support/verbs.ts';

// what is kept and what goes does not depend on a source that can be reached
const NO_SOURCE = { POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: '1' };
const KEEP_ONE = {
  RETENTION_KEEP_LAST: '1',
  RETENTION_KEEP_HOURLY: '0',
  RETENTION_KEEP_DAILY: '0',
  RETENTION_KEEP_WEEKLY: '0',
  RETENTION_KEEP_MONTHLY: '0',
  RETENTION_KEEP_YEARLY: '0',
};
const KEEP_NONE = { ...KEEP_ONE, RETENTION_KEEP_LAST: '0' };

/** The keys of a backup a day from 1 January 2026 on: object, globals and manifest. */
function days(source: string, count: number): string[][] {
  return Array.from({ length: count }, (_, n) => {
    const stem = `2026/01/${String(n + 1).padStart(2, '0')}/${source}_120000`;
    return [`${stem}.sql.gz`, `${stem}.globals.sql.gz`, `${stem}.json`];
  });
}

function storeOf(keys: readonly string[]) {
  const folder = temporaryFolder();
  for (const key of keys) place(folder, key, 'x');
  return { folder, env: { ...NO_SOURCE, BACKUP_DIR: folder } };
}

async function doubleOf(keys: readonly string[], options: DoubleOptions = {}) {
  const { double, storeEnv } = await startStore(options);
  for (const key of keys) double.seed(key, 'x');
  return { double, env: { ...NO_SOURCE, ...storeEnv } };
}

const keysOf = (rows: { key: string }[]) => rows.map(({ key }) => key);

describe('cleanup', { concurrency: 2 }, () => {
  test('keeps what the policy says and deletes the rest, of each source by itself, with reasons', async () => {
    const [a, b] = [days('a', 4), days('b', 3)];
    const lonely = '2020/02/29/c_235959.dump';
    const { folder, env } = storeOf([...a, ...b, [lonely]].flat());
    const outcome = await done('cleanup', ['--json'], { ...env, ...KEEP_ONE, RETENTION_KEEP_LAST: '2' });
    const { json } = outcome;
    assert.deepEqual(Object.keys(json).slice(0, 3), ['dryRun', 'keep', 'remove']);
    assert.equal(json.dryRun, false);
    const kept = [a[2], a[3], b[1], b[2], [lonely]];
    assert.deepEqual(keysOf(json.keep).sort(), kept.map((keys) => keys?.[0]).sort());
    assert.deepEqual(keysOf(json.remove).sort(), [a[0], a[1], b[0]].map((keys) => keys?.[0]).sort());
    for (const row of [...json.keep, ...json.remove]) {
      assert.deepEqual(Object.keys(row), ['key', 'source', 'createdAt', 'reasons']);
      assert.equal(new Date(row.createdAt).toISOString(), row.createdAt);
      assert.ok(row.reasons.length > 0, JSON.stringify(row));
    }
    assert.deepEqual(filesIn(folder), kept.flat().sort());
  });

  test('touches only what is of the source that was named, and refuses a name that nothing has', async () => {
    const [a, b] = [days('a', 3), days('b', 3)];
    const { folder, env } = storeOf([...a, ...b].flat());
    const outcome = await done('cleanup', ['--source=a', '--json'], { ...env, ...KEEP_ONE });
    assert.deepEqual(filesIn(folder), [a[2] ?? [], ...b].flat().sort());
    assert.deepEqual([...new Set(outcome.json.keep.map(({ source }: { source: string }) => source))], ['a']);
    for (const verb of ['cleanup', 'list'] as const) {
      const unknown = await runVerb(verb, ['--source=c'], { ...env, ...KEEP_NONE });
      assert.equal(unknown.code, 2, verb);
      assert.match(unknown.stderr, /there is no source "c"/);
    }
    assert.deepEqual(filesIn(folder), [a[2] ?? [], ...b].flat().sort());
  });

  test('says for people what it keeps, what it deletes, and why', async () => {
    const { env } = storeOf(days('a', 3).flat());
    const { stdout } = await runVerb('cleanup', [], { ...env, ...KEEP_ONE });
    assert.match(stdout, /^keep {4}2026\/01\/03\/a_120000\.sql\.gz {2}\(.*last.*\)$/m);
    assert.match(stdout, /^deleted {2}2026\/01\/01\/a_120000\.sql\.gz {2}\(.+\)$/m);
    assert.match(stdout, /^1 kept, 2 deleted$/m);
  });

  for (const [how, args, more] of [
    ['--dry-run', ['--dry-run'], {}],
    ['RETENTION_DRY_RUN', [], { RETENTION_DRY_RUN: 'true' }],
  ] as const) {
    test(`deletes nothing with ${how}, and says what it would delete`, async () => {
      const keys = days('a', 4).flat();
      const { double, env } = await doubleOf(keys);
      const outcome = await done('cleanup', [...args, '--json'], { ...env, ...KEEP_ONE, ...more });
      assert.equal(outcome.json.dryRun, true);
      assert.equal(outcome.json.remove.length, 3);
      assert.deepEqual([...double.objects.keys()], keys);
      assert.deepEqual([...new Set(double.requests.map(({ operation }) => operation))], ['ListObjectsV2']);
      const text = await runVerb('cleanup', args, { ...env, ...KEEP_ONE, ...more });
      assert.match(text.stdout, /would delete .*\n1 kept, 3 would be deleted \(dry run: nothing was\)\n$/s);
    });
  }

  test('keeps everything when every policy is zero, and says so', async () => {
    const keys = days('a', 4).flat();
    const { folder, env } = storeOf(keys);
    const outcome = await runVerb('cleanup', ['--json'], { ...env, ...KEEP_NONE });
    assert.equal(outcome.json.keep.length, 4);
    assert.match(outcome.stderr, /every RETENTION_KEEP_\* is 0: everything is kept/);
    assert.deepEqual(filesIn(folder), keys.sort());
  });

  test('never goes below RETENTION_MIN_BACKUPS, for each source', async () => {
    const [a, b] = [days('a', 5), days('b', 2)];
    const { folder, env } = storeOf([...a, ...b].flat());
    await done('cleanup', ['--json'], { ...env, ...KEEP_ONE, RETENTION_MIN_BACKUPS: '3' });
    assert.deepEqual(filesIn(folder), [...a.slice(2), ...b].flat().sort());
  });

  test('leaves alone whatever is not named like a backup, and other prefixes', async () => {
    const foreign = [
      '2026/01/01/a_120000.sql.gz.bak',
      '2026/01/01/a_1200.sql.gz',
      '2026/02/30/a_120000.sql.gz',
      '2026/01/01/a_120000.txt',
      '2026/01/01/a%zz_120000.sql.gz',
      '2026/01/01/deep/a_120000.sql.gz',
      'README.txt',
      'wal/000000010000000000000001.gz',
      'base/2026/01/01/a_120000.tar.gz',
      'drills/2026/01/01/a_120000.json',
      'other/2026/01/01/a_120000.sql.gz',
      '2026/01/01/orphan_120000.json',
    ];
    const { folder, env } = storeOf([...foreign, ...days('a', 3).flat()]);
    const outcome = await runVerb('cleanup', ['--json'], { ...env, ...KEEP_ONE });
    assert.equal(outcome.json.remove.length, 2, outcome.stderr);
    assert.deepEqual(filesIn(folder), [...foreign, ...(days('a', 3)[2] ?? [])].sort());
    const inOther = await runVerb('cleanup', ['--json', '--dry-run'], { ...env, S3_PREFIX: 'other' });
    assert.deepEqual(keysOf(inOther.json.keep), ['other/2026/01/01/a_120000.sql.gz']);
  });

  test('protects safety backups for RESTORE_PROTECT_DAYS, and no longer', async () => {
    const now = Date.now();
    const stem = (daysAgo: number) => {
      const time = new Date(now - daysAgo * 86_400_000).toISOString();
      return `${time.slice(0, 10).replaceAll('-', '/')}/a_${time.slice(11, 19).replaceAll(':', '')}`;
    };
    const safety = (daysAgo: number) => ['sql.gz', 'json', 'pre-restore'].map((end) => `${stem(daysAgo)}.${end}`);
    const ordinary = [1, 2, 3].map((daysAgo) => [`${stem(daysAgo)}.sql.gz`, `${stem(daysAgo)}.json`]);
    const { folder, env } = storeOf([...ordinary.flat(), ...safety(6.9), ...safety(7.1)]);
    await done('cleanup', ['--json'], { ...env, ...KEEP_ONE });
    assert.deepEqual(filesIn(folder), [...(ordinary[0] ?? []), ...safety(6.9)].sort());
  });

  test('deletes the manifests first: one that stops in between leaves no backup that claims to be whole', async () => {
    const keys = days('a', 4);
    const { double, env } = await doubleOf(keys.flat());
    const seen: string[][] = [];
    double.change({
      fault: ({ operation }) => {
        if (operation !== 'DeleteObjects') return undefined;
        seen.push([...double.objects.keys()]);
        return seen.length === 2 ? { status: 403, code: 'AccessDenied' } : undefined;
      },
    });
    const outcome = await runVerb('cleanup', ['--json'], { ...env, ...KEEP_ONE });
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /could not be deleted.*AccessDenied.*\n.*DeleteObject/);
    assert.equal(seen[0]?.length, 12);
    const manifests = keys.slice(0, 3).map(([, , manifest]) => manifest);
    assert.deepEqual(
      seen[1],
      keys.flat().filter((key) => !manifests.includes(key)),
    );
    const list = await runVerb('list', ['--json'], env);
    assert.deepEqual(
      list.json.map(({ manifest }: { manifest: boolean }) => manifest),
      [true, false, false, false],
    );
    // the next one finishes the work
    double.change({ fault: () => undefined });
    await done('cleanup', [], { ...env, ...KEEP_ONE });
    assert.deepEqual([...double.objects.keys()], keys[3]);
  });

  test('leaves a backup whole whose manifest could not be deleted', async () => {
    const keys = days('a', 4).flat();
    const { double, env } = await doubleOf(keys, {
      allow: ['ListObjectsV2', 'ListMultipartUploads', 'GetObject'],
    });
    const outcome = await runVerb('cleanup', [], { ...env, ...KEEP_ONE });
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.deepEqual([...double.objects.keys()], keys);
  });

  test('tells of what object lock protects, and leaves it whole for a later run, without failing', async () => {
    const keys = days('a', 4);
    const protectedDay = keys[0] ?? [];
    const { double, env } = await doubleOf(keys.flat(), { locked: (key) => protectedDay.includes(key) });
    const outcome = await done('cleanup', [], { ...env, ...KEEP_ONE });
    assert.match(outcome.stderr, /1 objects are locked in the storage and are kept until the lock expires/);
    assert.match(outcome.stdout, /NOT deleted {2}\S+ {2}\(AccessDenied: .*object lock/);
    assert.match(outcome.stdout, /\n1 kept, 2 deleted, 1 NOT deleted\n$/);
    assert.deepEqual([...double.objects.keys()].sort(), [...protectedDay, ...(keys[3] ?? [])].sort());
    double.change({ locked: () => false });
    const later = await done('cleanup', ['--json'], { ...env, ...KEEP_ONE });
    assert.deepEqual(later.json.failed, []);
    assert.deepEqual([...double.objects.keys()], keys[3]);
  });

  test('says that a bucket with versions frees no room', async () => {
    const { env } = await doubleOf(days('a', 4).flat(), { versioned: true });
    const outcome = await done('cleanup', [], { ...env, ...KEEP_ONE });
    assert.equal(outcome.stderr.match(/keeps versions: what was deleted is hidden/g)?.length, 1);
    const again = await runVerb('cleanup', [], { ...env, ...KEEP_ONE });
    assert.doesNotMatch(again.stderr, /keeps versions/);
  });

  for (const [what, fault] of [
    ['is refused', { status: 403, code: 'AccessDenied' }],
    ['is cut off', 'reset'],
    ['is no listing', { body: '<html>gateway</html>' }],
  ] as const) {
    test(`deletes nothing when the listing ${what} half way`, async () => {
      const keys = Array.from({ length: 2_500 }, (_, n) => {
        const time = new Date(Date.UTC(2026, 0, 1) + n * 3_600_000).toISOString();
        return `${time.slice(0, 10).replaceAll('-', '/')}/a_${time.slice(11, 19).replaceAll(':', '')}.sql.gz`;
      });
      const { double, env } = await doubleOf(keys, {
        fault: ({ operation, query }) =>
          operation === 'ListObjectsV2' && query.get('continuation-token') === '2000' ? fault : undefined,
      });
      const outcome = await runVerb('cleanup', ['--json'], { ...env, ...KEEP_ONE });
      assert.equal(outcome.code, 1, outcome.stdout.slice(0, 200));
      assert.equal(outcome.json.ok, false);
      assert.equal(double.objects.size, 2_500);
      assert.equal(double.count('DeleteObjects') + double.count('DeleteObject'), 0);
      double.change({ fault: () => undefined });
      const whole = await runVerb('cleanup', ['--json'], { ...env, ...KEEP_ONE });
      assert.equal(whole.json.remove.length, 2_499);
      assert.equal(double.objects.size, 1);
    });
  }

  test('ends old unfinished uploads of killed runs, and leaves those that may still go on', async () => {
    const { double, env } = await doubleOf([]);
    const key = '2026/01/01/a_120000.sql.gz';
    double.uploads.set('old', { key, initiated: new Date(Date.now() - 7 * 3_600_000), parts: new Map() });
    double.uploads.set('young', { key, initiated: new Date(Date.now() - 5 * 3_600_000), parts: new Map() });
    await done('cleanup', ['--dry-run'], env);
    assert.equal(double.uploads.size, 2);
    const outcome = await done('cleanup', [], env);
    assert.match(outcome.stderr, /ended 1 uploads/);
    assert.deepEqual([...double.uploads.keys()], ['young']);
  });
});
