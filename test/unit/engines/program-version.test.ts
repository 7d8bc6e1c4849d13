import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { versionOutput } from '../../../scripts/lib/engines/database/program-version.ts';
import { temporaryFolder } from '../../support/folders.ts';
import { until } from '../../support/sessions.ts';

const SOON_MS = 1_500;

function program(script: string): { path: string; folder: string } {
  const folder = temporaryFolder();
  const path = join(folder, 'a program');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, folder };
}

/** Whether a process runs, frozen or not. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('asked for its version, a program', () => {
  test('is given what is to come first, and says it', async () => {
    assert.equal(await versionOutput(program('echo "$@"').path, ['--no-defaults']), '--no-defaults --version\n');
  });

  test('that fails says nothing', async () => {
    assert.equal(await versionOutput(program('exit 1').path), '');
  });

  for (const [what, script] of [
    ['hangs', 'echo $$ >"$(dirname "$0")/pid"; sleep 600'],
    ['is frozen', 'echo $$ >"$(dirname "$0")/pid"; kill -STOP $$'],
  ] as const) {
    test(`that ${what} is waited for no longer than its time, and ended`, async () => {
      const { path, folder } = program(script);
      const startedAt = performance.now();
      assert.equal(await versionOutput(path, [], SOON_MS), '');
      assert.ok(performance.now() - startedAt < 20 * SOON_MS);
      const pid = readFileSync(join(folder, 'pid'), 'utf8').trim();
      await until('its end', () => (runs(pid) ? undefined : true));
    });
  }
});
