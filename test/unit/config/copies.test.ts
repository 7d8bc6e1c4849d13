import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { temporaryFolder } from '../../support/folders.ts';

const S3 = 's3://vault/app?endpoint=https://s3.example.com&region=eu-1';
const KEYS = { COPY_OFFSITE_ACCESS_KEY: 'a', COPY_OFFSITE_SECRET_KEY: 'hush-hush' };

const copiesOf = (env: Record<string, string>) => configure(env).copies;
function problemsOf(env: Record<string, string>): string {
  try {
    configure(env);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('COPY_<NAME>', () => {
  test('is a bucket with keys of its own, or a folder; the name in lower case with dashes', () => {
    const file = join(temporaryFolder(), 'key');
    writeFileSync(file, 'hush-hush\n');
    const [nas, offsite] = copiesOf({
      COPY_OFF_SITE: S3,
      COPY_OFF_SITE_ACCESS_KEY: 'a',
      COPY_OFF_SITE_SECRET_KEY_FILE: file,
      COPY_NAS: 'file:///mnt/nas%20one',
    });
    assert.deepEqual([nas?.name, nas?.storage, nas?.prefix], ['nas', { kind: 'directory', path: '/mnt/nas one' }, '']);
    assert.equal(offsite?.name, 'off-site');
    assert.equal(offsite?.prefix, 'app');
    assert.ok(offsite?.storage.kind === 's3');
    const { bucket, endpoint, region, accessKey, secretKey } = offsite.storage;
    assert.deepEqual(
      [bucket, endpoint, region, accessKey, secretKey],
      ['vault', 'https://s3.example.com', 'eu-1', 'a', 'hush-hush'],
    );
  });

  test('keeps what RETENTION_* keeps, until it names a rule of its own, which then stands alone', () => {
    const env = { RETENTION_KEEP_DAILY: '9', RETENTION_MIN_BACKUPS: '2' };
    assert.equal(copiesOf({ ...env, COPY_NAS: 'file:///mnt/nas' })[0]?.retention.keepDaily, 9);
    const [own] = copiesOf({ ...env, COPY_NAS: 'file:///mnt/nas?keep-weekly=8&keep-yearly=unlimited' });
    assert.deepEqual(own?.retention, {
      keepLast: 0,
      keepHourly: 0,
      keepDaily: 0,
      keepWeekly: 8,
      keepMonthly: 0,
      keepYearly: -1,
      minBackups: 2,
      protectDays: 7,
    });
  });

  test('takes its options from the query', () => {
    const [copy] = copiesOf({ COPY_OFFSITE: `${S3}&wal=off&max-rate=20M&lock=compliance:30d&rpo=7d`, ...KEYS });
    assert.equal(copy?.hasLog, false);
    assert.equal(copy?.uploadBytesPerSecond, 20 * 1024 * 1024);
    assert.equal(copy?.rpoTargetMs, 7 * 86_400_000);
    assert.ok(copy?.storage.kind === 's3');
    assert.deepEqual(copy.storage.lock, { mode: 'compliance', days: 30 });
  });

  for (const [what, env, says] of [
    ['no address', { COPY_NAS: '/mnt/nas' }, /COPY_NAS: wants s3:\/\/bucket\/prefix/],
    ['another scheme', { COPY_NAS: 'https://nas/backups' }, /COPY_NAS: wants s3:/],
    ['a relative path', { COPY_NAS: 'file://mnt/nas' }, /absolute path, after three slashes/],
    ['the root of the file system', { COPY_NAS: 'file:///' }, /wants a folder/],
    ['an address with a port for a bucket', { COPY_NAS: 's3://nas:9000/backups' }, /has a port/],
    ['keys in the address', { COPY_NAS: 's3://a:hush-hush@vault' }, /holds keys, which would be shown/],
    ['half of a pair of keys', { COPY_NAS: S3, COPY_NAS_ACCESS_KEY: 'a' }, /only one of COPY_NAS_ACCESS_KEY/],
    ['keys without an address', { ...KEYS }, /COPY_OFFSITE_ACCESS_KEY is set, but COPY_OFFSITE is not/],
    ['keys of a folder', { COPY_OFFSITE: 'file:///mnt/nas', ...KEYS }, /takes no COPY_OFFSITE_ACCESS_KEY/],
    ['an unknown option', { COPY_NAS: 'file:///mnt/nas?keep-day=7' }, /\?keep-day is unknown/],
    ['a wrong count', { COPY_NAS: 'file:///mnt/nas?keep-daily=x' }, /\?keep-daily=x wants a whole number/],
    ['an option twice', { COPY_NAS: 'file:///mnt/nas?keep-daily=1&keep-daily=2' }, /more than once/],
    ['a lock on a folder', { COPY_NAS: 'file:///mnt/nas?lock=bucket' }, /\?lock is unknown/],
    ['a lock for hours', { COPY_NAS: `${S3}&lock=compliance:5h` }, /in whole days/],
    ['a slip in COPY_SCHEDULE', { COPY_SHEDULE: '@hourly' }, /is COPY_SCHEDULE meant\?/],
    ['the name of the primary store', { COPY_PRIMARY: 'file:///mnt/nas' }, /take another name/],
    ['a lock of a folder of backups', { BACKUP_DIR: '/b', S3_LOCK: 'bucket' }, /S3_LOCK: a folder cannot be locked/],
  ] as const) {
    test(`refuses ${what}, without showing a secret`, () => {
      const said = problemsOf(env);
      assert.match(said, says);
      assert.doesNotMatch(said, /hush/);
    });
  }
});

describe('two stores are two', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'backups/inside'), { recursive: true });
  symlinkSync(join(folder, 'backups'), join(folder, 'link'));
  const file = (path: string) => `file://${join(folder, path)}`;
  const BACKUP_DIR = join(folder, 'backups');
  const bucket = { S3_ENDPOINT: 'https://s3.example.com', S3_BUCKET: 'vault', S3_PREFIX: 'app' };

  for (const [what, env, says] of [
    ['the folder itself', { BACKUP_DIR, COPY_NAS: file('backups') }, /very store of BACKUP_DIR/],
    ['the folder through a link', { BACKUP_DIR, COPY_NAS: file('link') }, /very store of BACKUP_DIR/],
    ['a folder inside it', { BACKUP_DIR, COPY_NAS: file('link/inside') }, /lies inside the store of BACKUP_DIR/],
    ['a folder around it', { BACKUP_DIR, COPY_NAS: file('') }, /holds the store of BACKUP_DIR/],
    ['the bucket itself', { ...bucket, COPY_X: S3 }, /very store of S3_BUCKET/],
    [
      'the bucket, a slash and a port aside',
      { ...bucket, COPY_X: S3.replace('example.com', 'example.com:443/') },
      /very/,
    ],
    [
      'the bucket of Amazon by another address of it',
      { S3_ENDPOINT: 'https://s3.eu-central-1.amazonaws.com', S3_BUCKET: 'vault', COPY_X: 's3://vault?keep-last=1' },
      /very store of S3_BUCKET/,
    ],
    ['a prefix inside it', { ...bucket, COPY_X: S3.replace('app', 'app/copy') }, /lies inside/],
    ['two copies on one prefix', { COPY_A: S3, COPY_B: S3 }, /COPY_B: is the very store of COPY_A/],
  ] as const) {
    test(`refuses ${what}`, () => assert.match(problemsOf(env), says));
  }

  test('takes another prefix of the bucket, and a folder that only begins alike', () => {
    assert.equal(problemsOf({ ...bucket, COPY_X: S3.replace('app', 'app2') }), '');
    assert.equal(problemsOf({ BACKUP_DIR, COPY_NAS: file('backups2') }), '');
  });
});
