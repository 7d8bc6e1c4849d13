import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const METER = fileURLToPath(new URL('../../../../scripts/lib/engines/postgres/server/dump-meter.pl', import.meta.url));

/** Feeds the meter pieces of a text, each of which it is to read by itself. */
async function meter(...pieces: string[]) {
  const child = spawn('perl', [METER], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    stderr += text;
  });
  for (const piece of pieces) {
    const before = stdout.length;
    child.stdin.write(piece, 'latin1');
    // it hands on at once what it has read
    while (stdout.length < before + piece.length) await once(child.stdout, 'data');
  }
  child.stdin.end();
  const [code] = await once(child, 'close');
  // what it says about once a second has nothing to do with what is looked at here
  return { code, stdout, stderr: stderr.replaceAll(/^PASSED \d+\n/gm, '') };
}

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const ROWS = (rows: string) => `COPY a.t (b) FROM stdin;\n${rows}\\.\n\n`;
const DUMP = [
  'SET x = 1;\n',
  ROWS('1\n2\\n\\.\n\\\\.\nCOPY a.t (b) FROM stdin;\n'),
  ROWS(''),
  `COPY "a\nb""; FROM stdin;\n"."it's"  FROM stdin;\n\n\n\\.\n\n`,
  "-- Name: it's; Type: FUNCTION\n",
  "CREATE FUNCTION f() AS $_$\nCOPY no.table FROM stdin;\nit's $$ \n$_$;\n",
  `COMMENT ON FUNCTION f() IS 'it''s "\nSELECT pg_catalog.setval(''no.sequence'', 1, true);\n';\n`,
  "SELECT pg_catalog.setval('a.\"it''s; a\nb\"', -42, false);\n",
  'SELECT 1;\n',
].join('');
const REPORT = new RegExp(
  `^ROWS 4 ${hex('a.t')}\nROWS 0 ${hex('a.t')}\nROWS 2 ${hex('"a\nb""; FROM stdin;\n"."it\'s"')}\nSETVAL -42 false ${hex('a."it\'\'s; a\nb"')}\nMETER ${DUMP.length} [0-9a-f]+\n$`,
);

test('rows are counted as they pass, and positions of sequences read, whatever stands in names, bodies and comments', async () => {
  const { code, stdout, stderr } = await meter(DUMP);
  assert.equal(code, 0);
  assert.equal(stdout, DUMP);
  assert.match(stderr, REPORT);
});

test('wherever what is read is cut in two or in three', async () => {
  for (let at = 1; at < DUMP.length; at += 1) {
    const pieces = [DUMP.slice(0, at), DUMP.slice(at, at + 1), DUMP.slice(at + 1)].filter((piece) => piece !== '');
    const { stdout, stderr } = await meter(...pieces);
    assert.equal(stdout, DUMP);
    assert.match(stderr, REPORT, `cut at ${at}: ${JSON.stringify(pieces)}`);
  }
});

for (const [what, text] of [
  ['rows', ROWS('1\n').replace('\\.\n', '')],
  ['a head', 'COPY "a\n'],
] as const) {
  test(`a dump that ends within ${what} is an error`, async () => {
    const { code, stderr } = await meter(text);
    assert.notEqual(code, 0);
    assert.match(stderr, /ends within the rows/);
    assert.doesNotMatch(stderr, /METER/);
  });
}
