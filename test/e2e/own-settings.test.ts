import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

describe('a source with settings of its own', { skip: missing }, () => {
  test('is backed up by its own job, kept by its own rules, judged by its own targets, and not drilled', async () => {
    const [shop, blog] = [postgres.freshName(), postgres.freshName()];
    for (const name of [shop, blog]) await postgres.create(name, 'empty');
    const drillDir = temporaryFolder();
    chmodSync(drillDir, 0o1777);
    const url = (name: string) => `postgres://${postgres.user}@${postgres.host}:${postgres.port}/${name}`;
    const env: Record<string, string> = {
      BACKUP_DIR: temporaryFolder(),
      DRILL_DIR: drillDir,
      DRILL_CHECKS: '/nonexistent',
      BACKUP_SOURCE_SHOP: `${url(shop)}?keep-last=1&drill=off`,
      BACKUP_SOURCE_SHOP_SCHEDULE: '*/10 * * * *',
      BACKUP_SOURCE_SHOP_RTO_TARGET: '15m',
      BACKUP_SOURCE_SHOP_FORMAT: 'custom',
      BACKUP_SOURCE_BLOG: url(blog),
      RETENTION_KEEP_LAST: '2',
      ...{ RETENTION_KEEP_HOURLY: '0', RETENTION_KEEP_DAILY: '0', RETENTION_KEEP_WEEKLY: '0' },
      ...{ RETENTION_KEEP_MONTHLY: '0', RETENTION_KEEP_YEARLY: '0' },
    };
    const of = (results: { source: string }[]) => results.map(({ source }) => source);
    // the common job passes it over, its own takes it, and by hand both are taken
    assert.deepEqual(of((await done('backup', ['--scheduled', '--json'], env)).json.results), ['blog']);
    assert.deepEqual(of((await done('backup', ['shop', '--json'], env)).json.results), ['shop']);
    assert.deepEqual(of((await done('backup', ['--json'], env)).json.results).sort(), ['blog', 'shop']);
    const { BACKUP_SOURCE_BLOG: _, ...alone } = env;
    const none = await done('backup', ['--scheduled', '--json'], alone);
    assert.deepEqual(none.json.results, []);
    assert.match(none.stderr, /every source has a schedule of its own/);

    // a source that is configured no more, as that of POSTGRES_DB is once another one is named, is no silent gap
    const orphaned = { ...alone, RPO_TARGET: '1s' };
    await until('the backup is older than it may be', async () => {
      const { json } = await runVerb('status', ['--json'], orphaned);
      return (
        json.primary.warnings.some((each: string) => /^nothing here backs up blog any more: /.test(each)) || undefined
      );
    });
    const { json: fresh } = await runVerb('status', ['--json'], { ...alone, RPO_TARGET: '1h' });
    assert.ok(!JSON.stringify(fresh.primary.warnings).includes('blog'), 'another project may share the store');

    const listed = (await done('list', ['--json'], env)).json as { source: string; format: string }[];
    assert.deepEqual(listed.map(({ source, format }) => `${source} ${format}`).sort(), [
      'blog sql',
      'blog sql',
      'shop custom',
      'shop custom',
    ]);
    const dry = (await done('cleanup', ['--dry-run', '--json'], env)).json;
    assert.deepEqual(of(dry.remove), ['shop']);
    await done('cleanup', [], env);
    assert.deepEqual(of((await done('list', ['--json'], env)).json).sort(), ['blog', 'blog', 'shop']);

    const drill = (await done('drill', ['--json'], env)).json;
    assert.deepEqual(of(drill.results), ['blog']);
    const status = (await done('status', ['--json'], env)).json;
    const [ofBlog, ofShop] = status.sources.toSorted((a: { source: string }, b: { source: string }) =>
      a.source < b.source ? -1 : 1,
    );
    const MINUTE = 60_000;
    assert.deepEqual([ofShop.rpoTargetMs, ofShop.rtoTargetMs], [20 * MINUTE, 15 * MINUTE]);
    assert.deepEqual([ofBlog.rpoTargetMs, ofBlog.rtoTargetMs], [120 * MINUTE, 60 * MINUTE]);
    assert.doesNotMatch(ofShop.warnings.join(), /no drill yet/);

    const { stdout } = await done('config', [], env);
    assert.match(stdout, /shop +\*\/10 \* \* \* \* +1 last, at least 1 +20m 0s +15m 0s +no/);
    assert.match(stdout, /blog +@hourly +2 last, at least 1 +2h 0m +1h 0m +yes/);
    assert.match(
      stdout,
      /ofelia\.job-exec\.backup-shop\.schedule: "0 \*\/10 \* \* \* \*"\n +ofelia\.job-exec\.backup-shop\.command: backup shop\n/,
    );
  });
});
