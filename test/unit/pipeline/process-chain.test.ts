import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setChildEnvironment } from '../../../scripts/lib/machine/child-environment.ts';
import { readChain, type Stage, startChain } from '../../../scripts/lib/pipeline/chain.ts';
import { inLargeWrites } from '../../../scripts/lib/pipeline/large-writes.ts';
import { meterStage, readMeter } from '../../../scripts/lib/pipeline/meter.ts';
import { assertSucceeded, type StageResult } from '../../../scripts/lib/pipeline/result.ts';
import { collect } from '../../support/bytes.ts';
import { temporaryFolder } from '../../support/folders.ts';
import { until } from '../../support/sessions.ts';

setChildEnvironment(process.env);
const isLinux = process.platform === 'linux';

const bash = (name: string, script: string, ...args: string[]): Stage => ({
  name,
  command: 'bash',
  args: ['-c', script, name, ...args],
});
const read = (...stages: Stage[]) => collect(readChain(startChain(stages, { stdout: true })));

test('a chain hands on what the first stage writes, through each in turn', async () => {
  const output = await read(bash('a', 'printf abc'), bash('b', 'tr a-z A-Z'), bash('c', 'rev'));
  assert.equal(output.toString(), 'CBA');
});

test('the stages of a chain are connected by pipes; by sockets where there is no place to make one', async () => {
  const kind = () => read(bash('a', 'true'), bash('b', 'stat -L -c %F /proc/self/fd/0'));
  const folder = process.env.TMPDIR;
  assert.equal((await kind()).toString(), 'fifo\n');
  try {
    process.env.TMPDIR = '/proc/nowhere';
    assert.equal((await kind()).toString(), 'socket\n');
  } finally {
    if (folder === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = folder;
  }
});

test('a chain that is ended does not wait for what a stage has started and left behind', async (t) => {
  const mark = freshMark();
  const script = '(trap \'\' TERM; echo $BASHPID >&2; exec -a "$1" sleep 600) & wait';
  const chain = startChain([bash('a', script, mark)], { stdout: true });
  t.after(() => process.kill(Number(said)));
  let said = '';
  chain.stdout?.resume();
  await until('what it leaves behind runs', () => commandLines().some((line) => line.startsWith(mark)) || undefined);
  chain.kill();
  const [result] = await chain.finished;
  said = result?.stderr ?? '';
  assert.equal(result?.signal, 'SIGTERM');
});

/** What runs a program and passes on what it writes or reads, and what each is told before the program's own words. */
const RUNNERS = {
  'mariadb/restore/load-filter.pl': (file: string) => ['staging', 'shop', file, 'restores', '', ''],
  'mariadb/dump/counted-dump.pl': (file: string) => [file],
  'files/tar/moving-tar.pl': (file: string) => [file],
};
/** Perl that is slow between starting a program and knowing which. */
const SLOW = `package Slow;
  sub later { select undef, undef, undef, 1.5; $_[0] }
  BEGIN {
    *CORE::GLOBAL::fork = sub { my $pid = CORE::fork(); $pid ? later($pid) : $pid };
    *CORE::GLOBAL::open = sub (*;$@) {
      return CORE::open($_[0], $_[1], $_[2]) if @_ == 3 && $_[1] !~ /-/;
      return later(CORE::open($_[0], $_[1], @_[2 .. $#_]));
    };
  }
  1;`;

for (const [runner, words] of Object.entries(RUNNERS)) {
  for (const when of ['when that was stopped', 'before it knows what that is']) {
    test(`${runner} ends what it runs, also ${when}`, { timeout: 60_000 }, async () => {
      const folder = temporaryFolder();
      const script = new URL(`../../../scripts/lib/engines/${runner}`, import.meta.url).pathname;
      const pidFile = join(folder, 'pid');
      writeFileSync(join(folder, 'Slow.pm'), SLOW);
      const slow = when.startsWith('before') ? [`PERL5LIB=${folder}`, 'PERL5OPT=-MSlow'] : [];
      const command = ['bash', '-c', 'echo $$ > "$0"; kill -STOP $$', pidFile];
      const args = [...slow, 'perl', script, ...words(join(folder, 'first')), ...command];
      const chain = startChain([{ name: 'a', command: 'env', args }], { stdin: true, stdout: true });
      chain.stdout?.resume();
      const pid = await until('it is stopped', async () => {
        const id = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').trim() : '';
        return id !== '' && /^\d+ \(.*\) T/.test(readFileSync(`/proc/${id}/stat`, 'utf8')) ? id : undefined;
      });
      chain.kill();
      await chain.finished;
      assert.ok(!existsSync(`/proc/${pid}`));
    });
  }
}

test('a command in large writes is itself, with its arguments as they are', async () => {
  const words = ['-c', 'echo $$; printf "%s|" "$@"', 'self', 'a b', '', "'$x'"];
  const chain = startChain([{ name: 'a', ...inLargeWrites('bash', words) }], { stdout: true });
  const said = (await collect(readChain(chain))).toString();
  assert.match(said, /^\d+\na b\|\|'\$x'\|$/);
});

test('what is written in large pieces comes at once, and all of it', async () => {
  // uniq has written three of C's own blocks when its input pauses
  const words = ['-c', '(seq 1 3000; sleep 1; seq 3001 3010) | uniq'];
  const firstOf = async (stage: Pick<Stage, 'command' | 'args'>) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of readChain(startChain([{ name: 'a', ...stage }], { stdout: true }))) pieces.push(piece);
    return [pieces[0]?.length ?? 0, Buffer.concat(pieces).length];
  };
  const [small, whole] = await firstOf({ command: 'bash', args: words });
  assert.ok(small !== undefined && whole !== undefined && small < whole, `${small} of ${whole}`);
  assert.deepEqual(await firstOf(inLargeWrites('bash', words)), [whole, whole]);
});

test('names of pipes that a killed process left behind are removed, those of others are not', async () => {
  const folder = temporaryFolder();
  const gone = spawnSync('true').pid;
  for (const pid of [gone, process.pid]) {
    mkdirSync(join(folder, `backup-pipes-${pid}-abc`));
    execFileSync('mkfifo', [join(folder, `backup-pipes-${pid}-abc`, '0')]);
  }
  const script = `import { openPipes } from '${new URL('../../../scripts/lib/pipeline/pipes.ts', import.meta.url)}'; console.log(openPipes(1).length);`;
  writeFileSync(join(folder, 'open.mts'), script);
  const env = { ...process.env, TMPDIR: folder };
  const said = execFileSync(process.execPath, ['--import', 'tsx', join(folder, 'open.mts')], { env, encoding: 'utf8' });
  assert.equal(said, '1\n');
  const left = readdirSync(folder).filter((name) => name.startsWith('backup-pipes-'));
  assert.deepEqual(left, [`backup-pipes-${process.pid}-abc`]);
});

test('a chain leaves no descriptors and no named pipes behind', async () => {
  const open = () => readdirSync('/proc/self/fd').length;
  // other processes of this machine have theirs
  const named = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`backup-pipes-${process.pid}-`)).length;
  await read(bash('a', 'true'), bash('b', 'cat'));
  const [openBefore, namedBefore] = [open(), named()];
  for (let n = 0; n < 3; n += 1) await read(bash('a', 'printf abc'), bash('b', 'cat'), bash('c', 'cat'));
  await assert.rejects(
    read(bash('a', 'printf abc'), { name: 'b', command: '/nonexistent', args: [] }, bash('c', 'cat')),
  );
  assert.equal(open(), openBefore);
  assert.ok(named() <= namedBefore);
});

for (const [what, stages, message] of [
  [
    'a producer that exits with 3 after all its output',
    [bash('dump', 'printf abc; exit 3'), bash('zip', 'cat')],
    /^dump exited with 3$/,
  ],
  ['a lone producer that exits with 3', [bash('dump', 'printf abc; exit 3')], /^dump exited with 3$/],
  ['a filter that exits with 4', [bash('dump', 'printf abc'), bash('zip', 'cat; exit 4')], /^zip exited with 4$/],
  [
    'a middle stage that fails',
    [bash('a', 'printf abc'), bash('b', 'cat; exit 5'), bash('c', 'cat')],
    /^b exited with 5$/,
  ],
  [
    'a producer that is killed',
    [bash('dump', 'printf abc; kill -9 $$'), bash('zip', 'cat')],
    /^dump was ended by SIGKILL$/,
  ],
  ['its last words', [bash('dump', 'echo one >&2; echo two >&2; exit 1')], /^dump exited with 1: one \| two$/],
] as const) {
  test(`the reader of a chain is told of ${what}`, async () => {
    await assert.rejects(read(...stages), { name: 'OperatorError', code: 'PROCESS_FAILED', message });
  });
}

test('the reader is given every byte before it is told', async () => {
  const seen: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of readChain(startChain([bash('dump', 'printf abc; exit 3')], { stdout: true })))
      seen.push(chunk);
  })();
  await assert.rejects(reading, /exited with 3/);
  assert.equal(Buffer.concat(seen).toString(), 'abc');
});

test('SIGKILL is told with what it often means', async () => {
  await assert.rejects(read(bash('zip', 'kill -9 $$')), { hint: /out of memory/ });
});

test('SIGKILL of what a program has started is told with it too', async () => {
  await assert.rejects(read(bash('tar', 'echo tar was ended by SIGKILL >&2; exit 2')), { hint: /out of memory/ });
});

test('when memory runs out Linux ends a child first, unless it holds a lock', { skip: !isLinux }, async () => {
  for (const [more, expected] of [
    [{}, '1000'],
    [{ mayEndFirst: false }, readFileSync('/proc/self/oom_score_adj', 'utf8').trim()],
  ] as const) {
    const chain = startChain([{ ...bash('a', 'read -r; cat /proc/self/oom_score_adj'), ...more }], {
      stdin: true,
      stdout: true,
    });
    chain.stdin?.end('\n');
    assert.equal((await collect(readChain(chain))).toString().trim(), expected);
  }
});

test('the culprit is the first that failed by itself', () => {
  const result = (name: string, more: Partial<StageResult>): StageResult => ({
    name,
    exitCode: 0,
    signal: null,
    stderr: '',
    ...more,
  });
  const broken = { exitCode: 1, stderr: 'writing: Broken pipe' };
  const blames = (...results: StageResult[]) => {
    try {
      assertSucceeded(results);
    } catch (error) {
      return (error as Error).message.split(' ')[0];
    }
  };
  assert.equal(blames(result('a', {}), result('b', {})), undefined);
  assert.equal(blames(result('a', { exitCode: null, signal: 'SIGPIPE' }), result('b', { exitCode: 2 })), 'b');
  assert.equal(blames(result('a', broken), result('b', broken), result('c', { exitCode: 2 })), 'c');
  assert.equal(blames(result('a', { exitCode: 1 }), result('b', { exitCode: 2 })), 'a');
  assert.equal(blames(result('a', { exitCode: 1, isConsequence: true }), result('b', { exitCode: 2 })), 'b');
  // somebody has to be
  assert.equal(blames(result('a', broken), result('b', {})), 'a');
});

test('the reason of an abort is what the reader is told, and nothing goes on running', async () => {
  const abort = new AbortController();
  const mark = freshMark();
  // bash becomes the last program of its words, which would lose the mark
  const as = (program: string) => `exec -a "$1" ${program}`;
  const chain = startChain([bash('dump', `echo x; ${as('sleep 60')}`, mark), bash('zip', as('cat'), mark)], {
    stdout: true,
    signal: abort.signal,
  });
  const reason = new Error('stopped by the operator');
  void until('both run', () => marked(mark).length >= 2 || undefined).then(() => abort.abort(reason));
  await assert.rejects(collect(readChain(chain, { signal: abort.signal })), (error) => error === reason);
  assert.deepEqual(marked(mark), []);
});

test('the reader is ended before what it reads from, and so never takes the end for a whole', async () => {
  const ready = join(temporaryFolder(), 'ready');
  // says of its input that it ended, unless it is ended itself before
  const sink = bash(
    'load',
    'trap "exit 9" TERM; touch "$1"; while read -t 0.05 line || [ $? -gt 128 ]; do :; done; echo COMMITTED >&2',
    ready,
  );
  const chain = startChain([bash('dump', 'exec sleep 60'), sink], {});
  await until('it reads', () => existsSync(ready) || undefined);
  chain.kill();
  const [dump, load] = await chain.finished;
  assert.equal(dump?.signal, 'SIGTERM');
  assert.doesNotMatch(load?.stderr ?? '', /COMMITTED/);
});

test('what does not end by SIGTERM is killed', async () => {
  const ready = join(temporaryFolder(), 'ready');
  const chain = startChain([bash('deaf', 'trap "" TERM; touch "$1"; while :; do sleep 0.1; done', ready)], {});
  await until('it listens to nobody', () => existsSync(ready) || undefined);
  chain.kill();
  const [result] = await chain.finished;
  assert.equal(result?.signal, 'SIGKILL');
});

for (const [what, script, sizeBytes, tail] of [
  ['nothing', 'true', 0, ''],
  ['a little', 'printf abc', 3, 'abc'],
  [
    'a kilobyte in two writes',
    'printf "%0600d" 1; sleep 0.2; printf "%0600d" 2',
    1200,
    `${'0'.repeat(423)}1${'0'.repeat(599)}2`,
  ],
  ['megabytes', 'head -c 3000000 /dev/zero | tr "\\0" x; printf end', 3_000_003, `${'x'.repeat(1021)}end`],
] as const) {
  test(`a meter that sees ${what} says how much, and how it ended`, async () => {
    const chain = startChain([bash('dump', script), meterStage('meter')], { stdout: true });
    const body = await collect(readChain(chain));
    const reading = readMeter(await chain.finished, 'meter');
    assert.equal(body.length, sizeBytes);
    assert.deepEqual(reading, { sizeBytes, tail });
  });
}

test('a meter that was ended has not seen the end', async () => {
  const results = await startChain([bash('dump', 'printf abc'), bash('meter', 'exit 0')], {}).finished;
  assert.throws(() => readMeter(results, 'meter'), /did not report/);
});

/** A word that no other command line has. */
const freshMark = () => `mark-${process.pid}-${randomBytes(6).toString('hex')}`;

const marked = (mark: string) => commandLines().filter((line) => line.includes(mark));

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [readFileSync(`/proc/${name}/cmdline`, 'utf8')];
      } catch {
        return [];
      }
    });
}
