import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { place, temporaryFolder } from '../support/folders.ts';

const RUN_FILES = fileURLToPath(new URL('../run-files.mjs', import.meta.url));

test('a test that fails in what several files share is run again by the file that imports it', () => {
  const cwd = temporaryFolder();
  place(
    cwd,
    'shared/suite.mjs',
    "import { test } from 'node:test';\ntest('fails', () => { throw new Error('no'); });\n",
  );
  place(cwd, 'one.mjs', "import './shared/all.mjs';\n");
  place(cwd, 'shared/all.mjs', "import './suite.mjs';\n");
  place(cwd, 'two.mjs', "import { test } from 'node:test';\ntest('passes', () => {});\n");
  place(cwd, 'three.mjs', "import { test } from 'node:test';\ntest('fails', () => { throw new Error('no'); });\n");
  const results = join(cwd, 'results');
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const args = [RUN_FILES, 'unit', '1', '60000', results, 'one.mjs', 'two.mjs', 'three.mjs'];
  const { status } = spawnSync(process.execPath, args, { cwd, env });
  assert.equal(status, 1);
  assert.equal(readFileSync(`${results}.failed`, 'utf8'), 'one.mjs\nthree.mjs\n');
});
