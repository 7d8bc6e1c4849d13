import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { psqlMeter } from '../../../scripts/lib/engines/postgres/server/psql-meter.ts';
import { OperatorError } from '../../../scripts/lib/errors.ts';
import { setChildEnvironment } from '../../../scripts/lib/machine/child-environment.ts';
import { readChain, runProgram, type Stage, startChain } from '../../../scripts/lib/pipeline/chain.ts';
import { assertAllRead, meterStage, readMeter } from '../../../scripts/lib/pipeline/meter.ts';
import type { StageResult } from '../../../scripts/lib/pipeline/result.ts';

setChildEnvironment(process.env);

const sh = (script: string, name = 'sh'): Stage => ({ name, command: 'sh', args: ['-c', script] });

async function read(
  chain: ReturnType<typeof startChain>,
  options: Parameters<typeof readChain>[1] = {},
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChain(chain, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('what a process wrote before anybody read it is still there when it is read', async () => {
  for (const text of ['short', 'x'.repeat(50_000)]) {
    const chain = startChain([sh(`printf %s ${text}`), meterStage('meter')], { stdout: true });
    // they have exited by then, which nothing tells before their output was read: `finished` waits for that
    await sleep(300);
    assert.equal(await read(chain), text);
  }
});

test('a producer that fails makes the reading throw, though its output ended in order', async () => {
  const chain = startChain([sh('echo part; echo "no space" >&2; exit 3', 'pg_dump'), sh('cat', 'igzip')], {
    stdout: true,
  });
  await assert.rejects(read(chain), (error: unknown) => {
    assert.ok(error instanceof OperatorError);
    assert.equal(error.code, 'PROCESS_FAILED');
    assert.equal(error.message, 'pg_dump exited with 3: no space');
    return true;
  });
});

test('a filter that dies is named, not the producer whose pipe it broke, and a producer that only waits is ended', async () => {
  const chain = startChain([sh('yes', 'pg_dump'), sh('read line; kill -9 $$', 'igzip')], { stdout: true });
  await assert.rejects(read(chain), /igzip was ended by SIGKILL/);
  const waiting = startChain([sh('exec sleep 60', 'pg_dump'), sh('exit 4', 'igzip')], { stdout: true });
  await assert.rejects(read(waiting), /igzip exited with 4/);
});

test('a program that is not installed is named as that', async () => {
  const chain = startChain([{ name: 'nothing', command: '/nonexistent/nothing', args: [] }], { stdout: true });
  await assert.rejects(read(chain), { code: 'TOOL_MISSING', message: 'the program nothing is not installed' });
});

test('a reader that stops early ends the processes', async () => {
  const chain = startChain([sh('yes')], { stdout: true });
  for await (const _ of readChain(chain)) break;
  const [result] = await chain.finished;
  assert.notEqual(result?.exitCode, 0);
});

test('an aborted signal ends the processes and is the reason that is thrown', async () => {
  const controller = new AbortController();
  const chain = startChain([sh('exec sleep 60')], { stdout: true, signal: controller.signal });
  setTimeout(() => controller.abort(new Error('stopped by the test')), 50);
  await assert.rejects(read(chain, { signal: controller.signal }), /stopped by the test/);
});

test('a meter passes on every byte and reports their number and their end', async () => {
  const chain = startChain([sh('seq 1 200000'), meterStage('meter')], { stdout: true });
  let results: readonly StageResult[] = [];
  const text = await read(chain, {
    verify: (ended, sizeBytes) => {
      results = ended;
      assertAllRead(ended, 'meter', sizeBytes);
      assert.throws(() => assertAllRead(ended, 'meter', sizeBytes - 1), { code: 'DUMP_INCOMPLETE' });
    },
  });
  const reading = readMeter(results, 'meter');
  assert.equal(reading.sizeBytes, Buffer.byteLength(text));
  assert.equal(reading.tail, text.slice(-1024));
});

test('a meter drops the lines it is told to, at the head alone', async () => {
  const lines = ['SET a = 0;', 'SET transaction_timeout = 0;', 'SET b = 0;'].join('\n');
  const input = `${lines}\n${'x'.repeat(10_000)}\nSET transaction_timeout = 0;\n`;
  const chain = startChain([meterStage('meter', { program: psqlMeter(['SET transaction_timeout = 0;']) })], {
    stdin: true,
    stdout: true,
  });
  chain.stdin?.end(input);
  assert.equal(await read(chain), input.replace('SET transaction_timeout = 0;\n', ''));
});

for (const [what, body] of [
  ['nothing', ''],
  ['a line', 'select 1;\n'],
  ['less than is held back', `${'x'.repeat(900)}\n`],
  ['a little more than is held back', `${'x'.repeat(1_024)}\n`],
  ['megabytes', `${'select 1; -- and so on\n'.repeat(120_000)}`],
] as const) {
  test(`a guarding meter puts its token in place of the dump's own, around ${what}`, async () => {
    const chain = startChain([meterStage('meter', { program: psqlMeter(['SET a = 0;'], 'ours') })], {
      stdin: true,
      stdout: true,
    });
    const dump = `--\n\\restrict theirs\nSET a = 0;\n${body}\\unrestrict theirs\n\n`;
    chain.stdin?.end(dump);
    let tail = '';
    const text = await read(chain, {
      verify: (results) => {
        tail = readMeter(results, 'meter').tail;
      },
    });
    assert.equal(text, `\\restrict ours\n--\n${body}\n`);
    assert.ok(tail.endsWith('\\unrestrict theirs\n\n'), 'what proves that the dump was whole');
  });
}

test('a guarding meter leaves alone what only looks like the end of the restricted mode', async () => {
  const chain = startChain([meterStage('meter', { program: psqlMeter([], 'ours') })], { stdin: true, stdout: true });
  const body = `\\unrestrict guess\n${'x'.repeat(5_000)}\n`;
  chain.stdin?.end(body);
  assert.equal(await read(chain), `\\restrict ours\n${body}`);
});

test('files reach a program by their descriptors, and neither its arguments nor its environment', async () => {
  const result = await runProgram({ ...sh('cat <&3; tr "\\0" "\\n" </proc/$$/cmdline; env'), files: ['a secret'] });
  assert.ok(result.stdout.startsWith('a secret'));
  assert.equal(result.stdout.split('a secret').length, 2);
});

test('children are given no variable of this process but the few that programs need', async () => {
  setChildEnvironment({ ...process.env, S3_SECRET_KEY: 'secret' });
  const { stdout } = await runProgram(sh('env'));
  assert.ok(!stdout.includes('S3_SECRET_KEY'));
  assert.match(stdout, /^PATH=/m);
});
