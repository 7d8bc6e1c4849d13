import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hasEngine } from '../support/container.ts';
import { createStack, exampleSettings, type Outcome, type Stack } from '../support/stack.ts';
import { until } from '../support/verbs.ts';

const EXAMPLE = exampleSettings();
const PASSWORD = EXAMPLE.POSTGRES_PASSWORD ?? '';

/** As docs/add-to-your-project.md has it, but that .env says when. */
const OWN_JOB = `
  backup:
    labels:
      ofelia.job-exec.backup-shop.schedule: \${BACKUP_SOURCE_SHOP_SCHEDULE}
      ofelia.job-exec.backup-shop.command: backup shop
      ofelia.job-exec.backup-shop.user: postgres
      ofelia.job-exec.backup-shop.no-overlap: "true"
  ofelia:
    labels:
      compose-db-backup.shop-schedule: \${BACKUP_SOURCE_SHOP_SCHEDULE}
`;

const BASE = {
  ...EXAMPLE,
  BACKUP_SOURCE_SHOP: `postgres://postgres@postgres:5432/myapp`,
  BACKUP_SOURCE_SHOP_PASSWORD: PASSWORD,
  BACKUP_SOURCE_BLOG: `postgres://postgres@postgres:5432/myapp`,
  BACKUP_SOURCE_BLOG_PASSWORD: PASSWORD,
  POSTGRES_DB: 'myapp',
  PITR: 'false',
};

let stack: Stack;
let failed = true;

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

const countOf = async (source: string) =>
  (succeeded(await stack.verb(['list', '--json'])).json as { source: string; manifest: boolean }[]).filter(
    (each) => each.source === source && each.manifest,
  ).length;
const taken = (source: string) =>
  until(`Ofelia has taken a backup of ${source}`, async () => ((await countOf(source)) > 0 ? true : undefined));

describe('a schedule of its own, in the stack', { skip: hasEngine() ? false : 'needs Docker' }, () => {
  before(() => {
    stack = createStack(BASE, { services: OWN_JOB });
  });
  after(async () => {
    if (!stack) return;
    if (failed) process.stderr.write(await stack.logs());
    assert.deepEqual(await stack.tearDown(), []);
  });

  test('is kept by a job of its own, and the common job passes the source over', async () => {
    const config = { BACKUP_SCHEDULE: '@every 5s', BACKUP_SOURCE_SHOP_SCHEDULE: '@yearly' };
    succeeded(await stack.up(config));
    await taken('blog');
    assert.equal(await countOf('shop'), 0, 'the common job takes what has no schedule of its own alone');

    succeeded(await stack.up({ BACKUP_SCHEDULE: '@yearly', BACKUP_SOURCE_SHOP_SCHEDULE: '@every 5s' }));
    const before = await countOf('blog');
    await taken('shop');
    assert.equal(await countOf('blog'), before, 'its own job takes nothing else');
    const shown = succeeded(await stack.verb(['config'])).stdout;
    assert.match(
      shown,
      /ofelia\.job-exec\.backup-shop\.schedule: "@every 5s"\n +ofelia\.job-exec\.backup-shop\.command: backup shop\n/,
    );
    failed = false;
  });
});
