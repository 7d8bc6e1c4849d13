import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { sourceStack } from '../../../scripts/lib/terminal/stack.ts';
import { temporaryFolder } from '../../support/folders.ts';

test('a stack of a bundle names the places of the source', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'source.ts');
  writeFileSync(source, 'type T = string;\n\n\nexport function fails(): T {\n  throw new Error("defect");\n}\n');
  const bundle = join(folder, 'out/bundle.mjs');
  await build({
    entryPoints: [source],
    outfile: bundle,
    bundle: true,
    format: 'esm',
    sourcemap: 'linked',
    minify: true,
  });
  // in a process that minds no maps by itself
  const stack = execFileSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { fails } from '${pathToFileURL(bundle)}'; try { fails() } catch (e) { console.log(e.stack) }`,
    ],
    { encoding: 'utf8', env: {} },
  );
  assert.match(stack, /bundle\.mjs:1:/);
  const [message, place] = sourceStack(stack).split('\n');
  assert.equal(message, 'Error: defect');
  assert.ok(place?.includes(`${source}:5:`), place);
});

test('a stack without a map stays as it is', () => {
  const stack = 'Error: x\n    at f (file:///nowhere/a.mjs:3:4)\n    at node:internal/x:1:2';
  assert.equal(sourceStack(stack), stack);
});
