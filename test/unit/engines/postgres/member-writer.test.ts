import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { readFrames } from '../../../../scripts/lib/pipeline/members.ts';

const METER = fileURLToPath(new URL('../../../../scripts/lib/engines/postgres/server/dump-meter.pl', import.meta.url));

/** What the meter makes of a text: its members, and what it says of them. */
async function write(text: string, pieceBytes: number, ...args: string[]) {
  const child = spawn('perl', [METER, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('latin1').on('data', (said: string) => {
    stderr += said;
  });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  for (let at = 0; at < text.length; at += pieceBytes) child.stdin.write(text.slice(at, at + pieceBytes), 'latin1');
  child.stdin.end();
  const members: Buffer[] = [];
  let chunks: Uint8Array[] = [];
  const end = () => {
    members.push(Buffer.concat(chunks));
    chunks = [];
  };
  let broken: unknown;
  try {
    for await (const chunk of readFrames(child.stdout, end)) chunks.push(Buffer.from(chunk));
  } catch (error) {
    broken = error;
  }
  const [code] = await ended;
  return { code, members, broken, stderr: stderr.replaceAll(/^PASSED \d+\n/gm, '') };
}

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const HEAD = "\\restrict x\nSET x = 1;\nSELECT pg_catalog.set_config('search_path', '', false);";
// what stands between two statements goes with the second
const PRE = `${HEAD}\n\n--\n-- Name: f; Type: FUNCTION\n--\n\nCREATE FUNCTION f() AS $_$\nCOPY no.table FROM stdin;\nBEGIN;\n$_$;\nSET x = 2;\nCREATE TABLE a.t (\n    b text\n);\n`;
const rows = (name: string, bytes: number) =>
  `\n\n--\n-- Data for Name: ${name.replaceAll('\n', ' ')}\n--\n\nCOPY ${name} (b) FROM stdin;\n${'r'.repeat(Math.max(0, bytes - 1))}${bytes > 0 ? '\n' : ''}\\.\n`;
const SETVAL = `\n\n--\n-- Name: s; Type: SEQUENCE SET\n--\n\nSELECT pg_catalog.setval('a."s\nx"', 3, true);\n`;
const BLOBS = `\n\n--\n-- Name: 1; Type: BLOB METADATA\n--\n\nSELECT pg_catalog.lo_create('1');\n\nALTER LARGE OBJECT 1 OWNER TO x;\n\n\n--\n-- Name: BLOBS\n--\n\nBEGIN;\n\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x61');\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n`;
const POST = `\n\n--\n-- Name: i; Type: INDEX\n--\n\nSET y = 1;\n\nCREATE INDEX i ON a.t (b);\n\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n`;

const PARTS = [
  PRE,
  rows('a.small', 3),
  rows('a.large', 500),
  rows('a.empty', 0) + rows('"a\nb"."COPY x FROM stdin;"', 150) + rows('a.fills', 199),
  rows('a.last', 9) + SETVAL + BLOBS,
  POST,
];
const DUMP = PARTS.join('');
const SAID = [
  `SETTING ${hex('SET x = 1;\n')}`,
  `SETTING ${hex("SELECT pg_catalog.set_config('search_path', '', false);\n")}`,
  `SETTING ${hex('SET x = 2;\n')}`,
];

test('members are what comes before rows, a large table, groups of small ones, and what is built upon them', async () => {
  const { code, members, stderr } = await write(DUMP, 1 << 16, '--members=400:500');
  assert.equal(code, 0);
  assert.deepEqual(
    members.map((bytes) => bytes.toString('latin1')),
    PARTS,
  );
  const lengths = members.map((bytes) => bytes.length);
  assert.deepEqual(
    stderr.split('\n').filter((line) => /^(MEMBER|SETTING|ROWS)/.test(line)),
    [
      ...SAID,
      `MEMBER ${lengths[0]} pre-data rows`,
      `ROWS 1 ${hex('a.small')}`,
      `MEMBER ${lengths[1]} data rows`,
      `ROWS 1 ${hex('a.large')}`,
      `MEMBER ${lengths[2]} data rows`,
      `ROWS 0 ${hex('a.empty')}`,
      `ROWS 1 ${hex('"a\nb"."COPY x FROM stdin;"')}`,
      `ROWS 1 ${hex('a.fills')}`,
      `MEMBER ${lengths[3]} data rows`,
      `ROWS 1 ${hex('a.last')}`,
      `MEMBER ${lengths[4]} data more`,
      `MEMBER ${lengths[5]} post-data rows`,
    ],
  );
});

test('wherever what is read is cut, the members are the same, and together the dump', async () => {
  const whole = await write(DUMP, 1 << 16, '--members=400:500');
  for (const pieceBytes of [1, 2, 3, 7, 64, 401]) {
    const { members, stderr } = await write(DUMP, pieceBytes, '--members=400:500');
    assert.equal(Buffer.concat(members).toString('latin1'), DUMP);
    assert.deepEqual(
      members.map((bytes) => bytes.length),
      whole.members.map((bytes) => bytes.length),
      `in pieces of ${pieceBytes}`,
    );
    assert.equal(stderr, whole.stderr);
  }
});

test('each is compressed by itself, and all of them are one stream to whoever reads it so', async () => {
  const { code, members } = await write(DUMP, 64, '--members=400:500', 'gzip', '--stdout');
  const plain = await write(DUMP, 64, '--members=400:500');
  assert.equal(code, 0);
  assert.deepEqual(
    members.map((bytes) => gunzipSync(bytes)),
    plain.members,
  );
  assert.equal(gunzipSync(Buffer.concat(members)).toString('latin1'), DUMP);
});

test('a dump without rows, or with rows behind what is built upon tables, is one all the same', async () => {
  const without = await write(`${PRE}${POST}`, 64, '--members=400:500');
  assert.equal(Buffer.concat(without.members).toString('latin1'), `${PRE}${POST}`);
  const late = await write(`${DUMP}${rows('a.late', 500)}${POST}`, 64, '--members=400:500');
  assert.equal(Buffer.concat(late.members).toString('latin1'), `${DUMP}${rows('a.late', 500)}${POST}`);
  assert.match(late.stderr, /^UNFIT$/m);
  assert.equal(late.code, 0);
});

for (const [what, compressor] of [
  ['fails after it has read all', 'cat; exit 3'],
  ['ends before it has read all', 'head -c 10; exit 0'],
  ['is killed', 'kill -9 $$'],
] as const) {
  test(`nothing passes for whole when what compresses ${what}`, async () => {
    const large = `${PRE}${rows('a.large', 3_000_000)}${POST}`;
    const args = ['--members=400:500', 'sh', '-c', compressor];
    const { code, stderr } = await write(large, 1 << 16, ...args);
    assert.notEqual(code, 0);
    assert.doesNotMatch(stderr, /^METER/m);
  });
}

test('that what compresses was killed is told at once, while no more of the dump comes', async (t) => {
  const child = spawn('perl', [METER, '--members=400:500', 'sh', '-c', 'echo "PID $$" >&2; exec cat']);
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stdout.resume();
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  child.stdin.write(`${PRE}${rows('a.large', 3_000)}`.slice(0, -1000));
  await new Promise<void>((resolve) =>
    child.stderr.setEncoding('latin1').on('data', (said: string) => {
      stderr += said;
      // the first has ended or is about to; that of the rows waits for more of them, and either may be the first to say this
      if (/PID \d+\n[\s\S]*PID \d+\n/.test(stderr)) resolve();
    }),
  );
  for (const [, pid] of stderr.matchAll(/PID (\d+)/g))
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
    }
  const [code] = await ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /^sh was ended by SIGKILL$/m);
  assert.doesNotMatch(stderr, /METER/);
});

test('frames that end within a member are an error', async () => {
  for (const bytes of [[0], [0, 0, 0, 2, 7], [0, 0, 0, 1, 7], [0, 0, 0, 1, 7, 0, 0]]) {
    const framed = (async function* () {
      yield Uint8Array.from(bytes);
    })();
    await assert.rejects(async () => {
      for await (const _ of readFrames(framed, () => {}));
    }, /ends within one of them/);
  }
});
