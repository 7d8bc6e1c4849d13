import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { readReceiverHealth, tellHealth } from '../../../scripts/lib/receive/health.ts';

/** A receiver's configuration that no other test has. */
const configOf = (environment: Record<string, string> = {}) =>
  configure({ PITR: 'true', S3_BUCKET: `of-a-test-${randomBytes(6).toString('hex')}`, ...environment });

test('a receiver says how it does to who asks for its own configuration, and to nobody else', (t) => {
  const before = new Set(readdirSync('/tmp'));
  t.after(() => {
    for (const name of readdirSync('/tmp').filter(
      (each) => !before.has(each) && /^receiver-.*\.health\.json$/.test(each),
    ))
      rmSync(join('/tmp', name));
  });
  const [mine, other] = [configOf(), configOf()];
  assert.deepEqual(readReceiverHealth(mine, new Date()), ['the receiver has not begun yet']);
  let reasons: string[] = [];
  t.after(tellHealth(mine, () => reasons));
  assert.deepEqual(readReceiverHealth(mine, new Date()), []);
  assert.deepEqual(readReceiverHealth(other, new Date()), ['the receiver has not begun yet']);
  reasons = ['the log of db has not been taken for two minutes'];
  t.after(tellHealth(other, () => reasons));
  assert.deepEqual(readReceiverHealth(mine, new Date()), [], 'that of the other is not its own');
  assert.deepEqual(readReceiverHealth(other, new Date()), reasons);
  assert.deepEqual(readReceiverHealth(mine, new Date(Date.now() + 31_000)), ['the receiver hangs, or has ended']);
});
