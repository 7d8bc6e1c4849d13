import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FOREIGN_NAMES } from '../../scripts/lib/config/foreign-names.ts';

test("docs/moving.md has every variable of another tool's that is read, refused or warned of by its name", () => {
  const page = readFileSync(new URL('../../docs/moving.md', import.meta.url), 'utf8');
  const names = FOREIGN_NAMES.flatMap(({ name, of }) => (typeof name === 'string' && of !== undefined ? [name] : []));
  assert.ok(names.length > 20);
  const missing = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page));
  assert.deepEqual(missing, [], 'add these to docs/moving.md');
});
