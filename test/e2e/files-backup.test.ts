import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn } from '../support/folders.ts';
import { isRoot } from '../support/trees.ts';
import { heldCompressor, tarOf, UNPRIVILEGED, uploads } from '../support/uploads.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

describe('a backup of a folder', { concurrency: 2 }, () => {
  test('names a file that changes while it is read, beside a socket too, and is marked so', async () => {
    const { live, env } = uploads();
    const socket = createServer().listen(join(live, 'app.sock'));
    await once(socket, 'listening');
    const log = join(live, 'growing.log');
    writeFileSync(log, Buffer.alloc(20_000_000, 'x'));
    const held = heldCompressor(env);
    const running = startVerb('backup', ['--json'], held.env);
    await held.reached(await tarOf(running, '--create'));
    appendFileSync(log, 'more\n');
    held.release();
    const { code, json, stderr } = await running.outcome;
    socket.close();
    assert.equal(code, 0, stderr);
    assert.deepEqual(json.results[0].changed, { total: 1, names: ['./growing.log'] });
    assert.match(stderr, /uploads: changed while they were read.*growing\.log/);
    const restore = await done('restore', ['latest'], env);
    assert.match(restore.stderr, /changed while they were read.*growing\.log/);
    const status = await runVerb('status', ['--json'], env);
    assert.match(status.json.sources[0].warnings.join(' '), /changed while they were read.*growing\.log/);
  });

  test('names what vanished and what shrank while it was read, and goes on', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'a'), Buffer.alloc(20_000_000, 'x'));
    for (let i = 0; i < 100; i += 1) writeFileSync(join(live, `f${i}`), 'x');
    const held = heldCompressor(env);
    const running = startVerb('backup', ['--json'], held.env);
    await held.reached(await tarOf(running, '--create'));
    // the names are known by now, and the first file is being read
    truncateSync(join(live, 'a'), 10_000_000);
    for (let i = 10; i < 100; i += 1) rmSync(join(live, `f${i}`));
    held.release();
    const { code, json, stderr } = await running.outcome;
    assert.equal(code, 0, stderr);
    const { changed } = json.results[0];
    assert.ok(changed.total >= 91 && changed.names.length === 20, JSON.stringify(changed));
    assert.ok(changed.names.includes('./a') && changed.names.includes('./f10'), JSON.stringify(changed));
    await done('restore', ['latest'], env);
    assert.deepEqual(readdirSync(live).length, 11);
  });

  test('fails when something in it cannot be read, and lists nothing', { skip: !isRoot && 'wants root' }, async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'open'), 'x');
    mkdirSync(join(live, 'closed'), { mode: 0o700 });
    writeFileSync(join(live, 'secret'), 'x', { mode: 0o600 });
    const { code, json } = await runVerb('backup', ['--json'], env, { through: UNPRIVILEGED });
    assert.equal(code, 1);
    assert.match(
      json.results[0].error,
      /\.\/closed: Cannot open: Permission denied.*\.\/secret: Cannot open: Permission denied/,
    );
    assert.deepEqual(filesIn(backups), []);
    chmodSync(live, 0o700);
    const whole = await runVerb('backup', ['--json'], env, { through: UNPRIVILEGED });
    assert.equal(whole.code, 1);
    assert.match(whole.json.results[0].error, /uploads.*cannot be read: .*permission denied/i);
  });

  test('of a path that is missing, or is neither folder nor file, fails that source alone', async () => {
    const { data, live, env } = uploads();
    execFileSync('mkfifo', [join(data, 'fifo')]);
    const { code, json } = await runVerb('backup', ['--json'], {
      ...env,
      BACKUP_SOURCE_MISSING: `file://${data}/nothing`,
      BACKUP_SOURCE_FIFO: `file://${data}/fifo`,
    });
    assert.equal(code, 1);
    assert.deepEqual(
      json.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]),
      [
        ['fifo', false],
        ['missing', false],
        ['uploads', true],
      ],
    );
    assert.match(json.results[0].error, /neither a folder nor a file/);
    assert.match(json.results[1].error, /nothing does not exist.*BACKUP_SOURCE_MISSING/);
    assert.deepEqual(readdirSync(live), []);
  });

  test('that would hold the backups is a wrong configuration, also by a link', async () => {
    const { data, live, env } = uploads();
    const backups = join(live, 'deep/backups');
    mkdirSync(backups, { recursive: true });
    symlinkSync(backups, join(data, 'link'));
    symlinkSync(live, join(data, 'other-name'));
    for (const [source, directory] of [
      [live, backups],
      [backups, backups],
      [live, join(data, 'link')],
      [join(data, 'other-name'), join(live, 'deep/not-yet')],
      [join(backups, '2026/11'), backups],
      [join(backups, 'drills'), join(data, 'link')],
    ] as const) {
      const { code, stderr } = await runVerb('backup', [], {
        ...env,
        BACKUP_SOURCE_UPLOADS: `file://${source}`,
        BACKUP_DIR: directory,
      });
      assert.equal(code, 2, `${source} ${directory}`);
      assert.match(stderr, /BACKUP_SOURCE_UPLOADS: .*backups would hold all backups before them/);
    }
    // beside the backups is no matter
    const beside = await runVerb('backup', [], {
      ...env,
      BACKUP_SOURCE_UPLOADS: `file://${backups}/uploads`,
      BACKUP_DIR: backups,
    });
    assert.equal(beside.code, 1);
    assert.deepEqual(filesIn(data), []);
  });

  test('that is killed leaves nothing that is listed, and no process', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'large'), Buffer.alloc(20_000_000, 'x'));
    for (const kill of ['SIGKILL', 'SIGTERM', 'tar'] as const) {
      const held = heldCompressor(env);
      const running = startVerb('backup', ['--json'], held.env);
      const tar = await tarOf(running, '--create');
      await held.reached(tar);
      if (kill === 'tar') process.kill(tar.pid, 'SIGKILL');
      else running.signal(kill);
      held.release();
      const outcome = await running.outcome;
      assert.notEqual(outcome.code, 0);
      if (kill === 'tar') assert.match(outcome.json.results[0].error, /tar was ended by SIGKILL/);
      await until('all its processes have gone', () => (running.processes().length === 0 ? true : undefined));
      assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
    }
    // the storage's own remains of what was killed outright; cleanup removes them in time
    assert.deepEqual(
      filesIn(backups).filter((name) => !name.startsWith('.incomplete/')),
      [],
    );
  });

  test('excludes a second one of the same folder, whose exit code is 4', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'large'), Buffer.alloc(300_000_000, 'x'));
    const first = startVerb('backup', [], env);
    const tar = await tarOf(first, '--create');
    process.kill(tar.pid, 'SIGSTOP');
    const second = await runVerb('backup', ['--json'], env);
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.json.results[0].error, /another backup of it is running/);
    process.kill(tar.pid, 'SIGCONT');
    assert.equal((await first.outcome).code, 0);
    await done('backup', [], env);
    const keys = (await runVerb('list', ['--json'], env)).json.map(({ key }: { key: string }) => key);
    assert.equal(new Set(keys).size, 2);
  });
});
