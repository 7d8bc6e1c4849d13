import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leftIn, startDemo } from '../support/demo.ts';
import { until } from '../support/verbs.ts';

describe('the demonstration, when it is ended', () => {
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    test(`leaves nothing when it is ended by ${signal}`, async () => {
      const demo = startDemo(['--host']);
      await until('the restore begins', () => (demo.stdout().includes('make restore') ? true : undefined));
      demo.child.kill(signal);
      const { code, stderr } = await demo.ended;
      if (signal === 'SIGINT') {
        assert.equal(code, 1);
        assert.match(stderr, /stopped by SIGINT/);
        assert.deepEqual(leftIn(demo.temporary), []);
      }
      await until('nothing is left', () => (leftIn(demo.temporary).length === 0 ? true : undefined));
    });
  }
});
