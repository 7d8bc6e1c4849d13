import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { besideName, ROLES, timeOfBeside } from '../../../../scripts/lib/engines/database/beside-names.ts';
import { settingAssignment } from '../../../../scripts/lib/engines/postgres/dump/database-settings.ts';
import { programFor } from '../../../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../../../scripts/lib/machine/child-environment.ts';

const AT = new Date('2026-02-03T04:05:06.789Z');

for (const [stored, assignment] of [
  ['timezone=Asia/Tokyo', `"timezone" to 'Asia/Tokyo'`],
  ['work_mem=7MB', `"work_mem" to '7MB'`],
  [`myapp.note=it's = "a" \\ b, c`, `"myapp"."note" to  E'it''s = "a" \\\\ b, c'`],
  ['search_path=public', `"search_path" to 'public'`],
  ['search_path="$user", public', `"search_path" to '$user', 'public'`],
  ['search_path="we ird,""name", b', `"search_path" to 'we ird,"name', 'b'`],
  ['search_path=""', `"search_path" to ''`],
  ['search_path=', `"search_path" to ''`],
  [`search_path="o'clock"`, `"search_path" to 'o''clock'`],
  ['DateStyle=ISO, DMY', `"DateStyle" to 'ISO, DMY'`],
  ['temp_tablespaces=a, "B c"', `"temp_tablespaces" to 'a', 'B c'`],
  ['x.empty=', `"x"."empty" to ''`],
] as const) {
  test(`the setting ${stored} is given as ${assignment}`, () => {
    assert.equal(settingAssignment(stored), assignment);
  });
}

test('a database beside another says whose it is, in which role, since when', () => {
  assert.equal(besideName('myapp', 'previous', AT), 'myapp_previous_20260203040506');
  for (const role of ROLES) {
    const name = besideName('myapp', role, AT);
    assert.equal(timeOfBeside(name, 'myapp', role)?.toISOString(), '2026-02-03T04:05:06.000Z');
    assert.equal(timeOfBeside(name, 'mya', role), undefined);
    assert.equal(timeOfBeside(name, 'myapp2', role), undefined);
  }
  for (const foreign of ['myapp', 'myapp_previous', 'myapp_previous_2026020304050', 'myapp_previous_20261303040506']) {
    assert.equal(timeOfBeside(foreign, 'myapp', 'previous'), undefined, foreign);
  }
});

test('no name is longer than PostgreSQL takes, and long ones that start alike stay apart', () => {
  const long = ['x', 'é', '😀'].map((c) => c.repeat(63 / Buffer.byteLength(c)));
  for (const database of long) {
    for (const role of ROLES) {
      const name = besideName(database, role, AT);
      assert.ok(Buffer.byteLength(name) <= 63, name);
      assert.equal(Buffer.from(name).toString(), name);
      assert.notEqual(timeOfBeside(name, database, role), undefined);
      const twin = `${database.slice(0, -2)}yy`;
      assert.equal(timeOfBeside(name, twin, role), undefined);
    }
  }
});

test('a client is chosen of the server’s version, else of the next newer one, and never an older one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'programs-test-'));
  const program = 'pg_test_program';
  try {
    const paths = ['15.4', '17.2', '16.9'].map((version) => {
      const directory = mkdtempSync(join(folder, 'bin-'));
      const path = join(directory, program);
      writeFileSync(path, `#!/bin/sh\necho "${program} (PostgreSQL) ${version} (Debian ${version}-1)"\n`);
      chmodSync(path, 0o755);
      return directory;
    });
    setChildEnvironment({ PATH: [...paths, process.env.PATH].join(':') });
    assert.equal((await programFor(program, 160_001)).version, '16.9');
    assert.equal((await programFor(program, 150_013)).version, '15.4');
    assert.equal((await programFor(program, 170_009)).version, '17.2');
    assert.equal((await programFor(program, 130_000)).version, '15.4');
    await assert.rejects(programFor(program, 180_001), {
      code: 'SOURCE_VERSION',
      message: /server is PostgreSQL 18\.1, but the newest pg_test_program here is 17\.2/,
      hint: /POSTGRES_VERSION=18/,
    });
    await assert.rejects(programFor('pg_test_no_program', 180_001), {
      code: 'TOOL_MISSING',
      hint: /postgresql-client-18/,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
