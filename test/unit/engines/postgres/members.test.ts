import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { seenMembers } from '../../../../scripts/lib/engines/postgres/dump/members.ts';
import type { PassedMember } from '../../../../scripts/lib/engines/postgres/server/passed.ts';
import { psqlMeter } from '../../../../scripts/lib/engines/postgres/server/psql-meter.ts';
import type { SnapshotTable } from '../../../../scripts/lib/engines/postgres/split/tables.ts';

const hex = (...parts: string[]) => parts.map((part) => Buffer.from(part).toString('hex')).join('.');
const table = (relation: string, more: Partial<SnapshotTable> = {}): SnapshotTable => ({
  oid: '1',
  name: `s.${relation}`,
  schema: 's',
  relation,
  columns: ['a'],
  canSplit: true,
  condition: null,
  via: null,
  isChecked: false,
  signature: '',
  ...more,
});
const TABLES = [
  table('ä'),
  table('b'),
  table('checked', { isChecked: true }),
  table('known', { condition: 'true' }),
  table('part', { via: { schema: 's', relation: 'root', name: 's.root' } }),
];
const member = (section: PassedMember['section'], tables: string[] = [], hasMore = false): PassedMember => ({
  rawBytes: 7,
  section,
  hasMore,
  tables: tables.map((name) => hex('s', name)),
});

/** What is made of members of rows between definitions and what is built upon them. */
function seen(data: readonly PassedMember[], isUnfit = false, settings: readonly string[] = []) {
  const members = [member('pre-data'), ...data, member('post-data')];
  const found = seenMembers({ members, settings, isUnfit: () => isUnfit }, TABLES);
  return found && { ...found, members: found.members.slice(1, -1) };
}

test('a member names its tables where it has rows of ordinary ones alone, and says when it is to be loaded', () => {
  const found = seen([
    member('data', ['ä', 'b']),
    member('data', ['b'], true),
    member('data', ['b', 'checked']),
    member('data', ['known', 'b']),
    member('data', ['root']),
    member('data', ['part']),
  ]);
  assert.deepEqual(found?.members, [
    { rawBytes: 7, section: 'data', tables: ['s.ä', 's.b'] },
    { rawBytes: 7, section: 'data' },
    { rawBytes: 7, section: 'data', tables: ['s.b', 's.checked'], inOrder: 'last' },
    { rawBytes: 7, section: 'data', inOrder: 'first' },
    { rawBytes: 7, section: 'data' },
    { rawBytes: 7, section: 'data' },
  ]);
});

test('what is set twice counts as it was set last', () => {
  const path = "SELECT pg_catalog.set_config('search_path', '', false);";
  const found = seen([member('data', ['b'])], false, ['SET a = 1;', path, "SET b = '';", 'SET a = 2;']);
  assert.deepEqual(found?.settings, [path, "SET b = '';", 'SET a = 2;']);
});

for (const [what, found] of [
  ['rows behind what is built upon tables', seen([member('data', ['b'])], true)],
  ['no rows', seen([])],
  ['rows of a table that nobody knows', seen([member('data', ['stranger'])])],
  ['rows that come before and after others at once', seen([member('data', ['known', 'checked'])])],
] as const)
  test(`a dump with ${what} is restored as a whole`, () => {
    assert.equal(found, undefined);
  });

/** What psql is shown of a member. */
function shown(text: string, freezes: boolean): string {
  const settings = ['SET new = 0;', "SET search_path = '';"];
  const meter = psqlMeter(['SET new = 0;'], 'token', { settings, freezes });
  return execFileSync('perl', [meter.path, ...(meter.args ?? [])], {
    input: text,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

const BEFORE = "\\restrict token\nSET search_path = '';\n";
const LEAD = '\n\n--\n-- Data for Name: "COPY a (b) FROM stdin;"\n--\n\n';
for (const copy of [
  'COPY public.a (b) FROM stdin',
  'COPY "Or""der"."two\nlines; (x) FROM stdin;\n" (b, "c, (d)", "e\nf") FROM stdin',
])
  test(`the rows of ${JSON.stringify(copy)} are frozen as they come, and nothing else of a member is changed`, () => {
    const rows = ';\nCOPY public.a (b) FROM stdin;\nSET new = 0;\n\\.\n';
    assert.equal(shown(`${LEAD}${copy}${rows}`, true), `${BEFORE}${LEAD}${copy} WITH (FREEZE)${rows}`);
    assert.equal(shown(`${LEAD}${copy}${rows}`, false), `${BEFORE}${LEAD}${copy}${rows}`);
  });

test('a row that begins where the end is held back is a row', () => {
  const text = `${LEAD}COPY public.a (b) FROM stdin;\n\\\\unrestrict x\n${'r'.repeat(1024 - 18)}\n\\.\n`;
  assert.equal(shown(text, false), `${BEFORE}${text}`);
});

test('a head of rows that is longer than what is looked at stays as it is, whatever stands in the rows', () => {
  const columns = Array.from({ length: 900 }, (_, n) => `column_${n}`).join(', ');
  const text = `${LEAD}COPY public.a (${columns}) FROM stdin;\nCOPY public.a (b) FROM stdin;\n\\.\n`;
  assert.equal(shown(text, true), `${BEFORE}${text}`);
  const without = `${LEAD}COPY public.a  FROM stdin;\nCOPY public.a (b) FROM stdin;\n\\.\n`;
  assert.equal(shown(without, true), `${BEFORE}${without}`);
});
