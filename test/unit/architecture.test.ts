import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOMS = fileURLToPath(new URL('../../scripts/lib/', import.meta.url));

test('docs/architecture.md has a sentence for each room of scripts/lib, and for no other', () => {
  const page = readFileSync(new URL('../../docs/architecture.md', import.meta.url), 'utf8');
  const table = page.split('<!-- rooms -->')[1]?.split('<!-- end: rooms -->')[0] ?? '';
  const listed = [...table.matchAll(/^\| `([a-z0-9/-]+)` \| \S.*\. \|$/gm)].map(([, room]) => room);
  const there = readdirSync(ROOMS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => relative(ROOMS, join(entry.parentPath, entry.name)));
  const missing = there.filter((room) => !listed.includes(room)).map((room) => `docs/architecture.md lacks ${room}`);
  const gone = listed.filter((room) => !there.includes(room ?? '')).map((room) => `there is no room ${room}`);
  assert.deepEqual([...missing, ...gone], []);
});
