import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { retentionFor, rpoTargetFor } from '../../../scripts/lib/config/own-settings.ts';
import { planRetention, type RetentionCandidate } from '../../../scripts/lib/repository/retention.ts';
import type { Source } from '../../../scripts/lib/source.ts';

const HOUR = 3_600_000;
const SHOP = { BACKUP_SOURCE_SHOP: 'postgres://u@db/shop', BACKUP_SOURCE_BLOG: 'mariadb://u@db/blog' };

const sourceOf = (env: Record<string, string>, name: string): Source => {
  const found = configure(env).sources.find((source) => source.name === name);
  assert.ok(found);
  return found;
};

describe('what a source says for itself', () => {
  test('stands in its variables or in its URL, and leaves the others as they are', () => {
    const env = {
      ...SHOP,
      BACKUP_SOURCE_SHOP: 'postgres://u@db/shop?keep-daily=30&rpo-target=26h&compression=zstd',
      BACKUP_SOURCE_SHOP_SCHEDULE: '@daily',
      BACKUP_SOURCE_SHOP_RETENTION_MIN_BACKUPS: '5',
      BACKUP_SOURCE_SHOP_RTO_TARGET: '2h',
      BACKUP_SOURCE_SHOP_DRILL: 'off',
      BACKUP_SOURCE_SHOP_FORMAT: 'custom',
      BACKUP_SOURCE_UPLOADS: 'file:///data?schedule=%40weekly',
      BACKUP_SOURCE_UPLOADS_COMPRESSION: 'gzip',
    };
    const config = configure(env);
    const shop = sourceOf(env, 'shop');
    assert.equal(shop.own?.schedule?.text, '@daily');
    assert.deepEqual([shop.own?.rtoTargetMs, shop.own?.isDrilled], [2 * HOUR, false]);
    assert.deepEqual([shop.format, shop.compression.method], ['custom', 'zstd']);
    assert.equal(rpoTargetFor(config, shop), 26 * HOUR);
    // a rule of its own takes the place of all rules
    const { keepLast, keepDaily, minBackups, protectDays } = retentionFor(config, 'shop');
    assert.deepEqual([keepLast, keepDaily, minBackups, protectDays], [0, 30, 5, 7]);

    const uploads = sourceOf(env, 'uploads');
    assert.equal(uploads.compression.method, 'gzip');
    assert.equal(rpoTargetFor(config, uploads), 2 * 7 * 24 * HOUR, 'twice what lies between two of its own runs');

    const blog = sourceOf(env, 'blog');
    assert.equal(blog.own, undefined);
    assert.equal(rpoTargetFor(config, blog), config.rpoTargetMs);
    assert.deepEqual(retentionFor(config, 'blog'), config.retention);
    assert.deepEqual(retentionFor(config, 'no longer configured'), config.retention);
  });

  test('of a whole server holds for each of its databases', () => {
    const config = configure({ BACKUP_SOURCE_ALL: 'postgres://u@db/*?keep-last=9' });
    assert.equal(retentionFor(config, 'all.shop').keepLast, 9);
    assert.equal(retentionFor(config, 'other').keepLast, 3);
  });

  for (const [what, env, says] of [
    ['a schedule that is none', { BACKUP_SOURCE_SHOP_SCHEDULE: 'daily' }, /BACKUP_SOURCE_SHOP: \?schedule=daily/],
    ['a count that is none', { BACKUP_SOURCE_SHOP_RETENTION_KEEP_DAILY: 'x' }, /\?keep-daily=x wants a whole number/],
    ['a format of another engine', { BACKUP_SOURCE_BLOG_FORMAT: 'custom' }, /the format custom is PostgreSQL's alone/],
    [
      'a setting of no source',
      { BACKUP_SOURCE_SHPO_DRILL: 'off' },
      /BACKUP_SOURCE_SHPO_DRILL is set, but BACKUP_SOURCE_SHPO is not/,
    ],
    ['a slip in its name', { BACKUP_SOURCE_SHOP_RETENTION_KEEP_DALIY: '3' }, /BACKUP_SOURCE_SHOP_RETENTION_KEEP_DALIY/],
    [
      'twice',
      { BACKUP_SOURCE_SHOP: 'postgres://u@db/shop?drill=on', BACKUP_SOURCE_SHOP_DRILL: 'off' },
      /says \?drill, and BACKUP_SOURCE_SHOP_DRILL is set too/,
    ],
  ] as const)
    test(`is refused by name: ${what}`, () => {
      assert.throws(() => configure({ ...SHOP, ...env }), { code: 'CONFIG', message: says });
    });

  test('a source that is called like a setting is a source all the same', () => {
    assert.equal(sourceOf({ BACKUP_SOURCE_SHOP_DRILL: 'postgres://u@db/x' }, 'shop-drill').name, 'shop-drill');
  });
});

test('the retention of one source never touches what is of another', () => {
  const now = new Date('2026-06-01T00:00:00Z');
  const backups: RetentionCandidate[] = ['shop', 'blog', 'gone'].flatMap((source) =>
    Array.from({ length: 40 }, (_, n) => ({
      key: `${source} ${n}`,
      source,
      createdAt: new Date(now.getTime() - n * 24 * HOUR),
      kind: 'backup' as const,
    })),
  );
  const config = configure({ ...SHOP, BACKUP_SOURCE_SHOP_RETENTION_KEEP_LAST: '2' });
  const common = planRetention(backups, config.retention, now);
  const own = planRetention(backups, (source) => retentionFor(config, source), now);
  const kept = ({ keep }: typeof common, source: string) =>
    keep.filter(({ backup }) => backup.source === source).map(({ backup, reasons }) => [backup.key, ...reasons]);
  assert.deepEqual(kept(own, 'shop'), [
    ['shop 0', 'last'],
    ['shop 1', 'last'],
  ]);
  for (const source of ['blog', 'gone']) assert.deepEqual(kept(own, source), kept(common, source));
  assert.equal(own.keep.length + own.remove.length, backups.length);
});
