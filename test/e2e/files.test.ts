import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { ageKeyPair, backUp } from '../support/backups.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { bytesOnDisk, isRoot, lookInto, makeTree } from '../support/trees.ts';
import { done, type Running, runVerb, type SessionProcess, startVerb, until, untilStill } from '../support/verbs.ts';

const UNPRIVILEGED = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
/** Mounts the folder onto itself, as a container has it, for the command that follows. */
const mounted = (folder: string, ...options: string[]) => [
  'unshare',
  '--mount',
  'bash',
  '-c',
  `mount --bind "$0" "$0" && ${options.map((option) => `mount -o remount,bind,${option} "$0" && `).join('')} exec "$@"`,
  folder,
];

function uploads(query = '') {
  const data = temporaryFolder();
  chmodSync(data, 0o755);
  const live = join(data, 'uploads');
  mkdirSync(live);
  const backups = temporaryFolder();
  chmodSync(backups, 0o777);
  const env: Record<string, string> = {
    BACKUP_SOURCE_UPLOADS: `file://${live}${query}`,
    BACKUP_DIR: backups,
    // one drill at a time runs in a folder
    DRILL_DIR: temporaryFolder(),
  };
  return { data, live, backups, env };
}

/** The tar that reads or writes files, as soon as it runs. */
function tarOf(running: Running, does: '--create' | '--extract'): Promise<SessionProcess> {
  return until(`tar runs with ${does}`, () =>
    running.processes().find(({ name, commandLine }) => name === 'tar' && commandLine.includes(does)),
  );
}

/** The compressor takes nothing until it is let go: whatever is larger than the pipes before it stays half read. */
function heldCompressor(env: Record<string, string>) {
  const folder = temporaryFolder();
  const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
  const real = execFileSync('bash', ['-c', 'type -P zstd'], { encoding: 'utf8' }).trim();
  writeFileSync(
    join(folder, 'zstd'),
    `#!/bin/sh\ntouch '${begun}'\nwhile [ ! -e '${go}' ]; do sleep 0.05; done\nexec ${real} "$@"\n`,
    { mode: 0o755 },
  );
  return {
    env: { ...env, PATH: `${folder}:${process.env.PATH}` },
    /** Of the tar before it. */
    reached: async (tar: SessionProcess) => {
      await until('the compressor runs', () => existsSync(begun) || undefined);
      const written = () => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${tar.pid}/io`, 'utf8'))?.[1]);
      await until('tar writes', () => written() > 0 || undefined);
      await untilStill('the pipes fill', written);
    },
    release: () => writeFileSync(go, ''),
  };
}

/** The folder's own time goes with what is made and removed in it. */
const withoutRoot = (listing: string) =>
  listing
    .split('\n')
    .filter((line) => !line.startsWith('|d|'))
    .join('\n');

/** Rewrites what was stored, and the manifest so that size and digest fit: damage that only a restore brings to light. */
function forge(backups: string, key: string, bytes: Uint8Array): void {
  const path = join(backups, key.replace(/\.tar.*$/, '.json'));
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  manifest.objects = [
    {
      name: manifest.objects[0]?.name ?? '',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
  ];
  writeFileSync(join(backups, key), bytes);
  writeFileSync(path, JSON.stringify(manifest));
}

describe('a backup of a folder and its restore', { concurrency: 2 }, () => {
  for (const compression of ['zstd', 'gzip', 'none']) {
    test(`bring back everything that find can tell, and nothing else: ${compression}`, async () => {
      const { data, live, env } = uploads(`?compression=${compression}`);
      makeTree(live);
      const before = lookInto(live);
      const { key, manifest } = await backUp(env);
      assert.match(key, { zstd: /\.tar\.zst$/, gzip: /\.tar\.gz$/, none: /\.tar$/ }[compression] as RegExp);
      const count = (type: string[]) =>
        Number(execFileSync('bash', ['-c', `find "$0" "$@" -printf x | wc -c`, live, ...type], { encoding: 'utf8' }));
      assert.equal(manifest.files, count(['!', '-type', 'd']));
      assert.deepEqual([manifest.engine, manifest.database, manifest.isFolder], ['files', live, true]);
      rmSync(join(live, 'random'));
      appendFileSync(join(live, '-rf'), 'more');
      writeFileSync(join(live, 'stray'), '');
      const { json } = await done('restore', ['latest', '--json'], env);
      assert.equal(lookInto(live), before);
      assert.deepEqual([json.database, json.files, json.fileBytes], [live, manifest.files, manifest.fileBytes]);
      assert.ok(bytesOnDisk(join(live, 'sparse')) < 1_000_000, 'holes stay holes');
      assert.ok(existsSync(join(json.previousDatabase, 'stray')), 'what was replaced is kept');
      assert.match(json.safetyBackup, /\.tar/);
      assert.deepEqual(
        readdirSync(data).map((name) => join(data, name)),
        [live, json.previousDatabase],
      );
    });
  }

  test('need no help from us: zstd and tar restore it', async () => {
    const { live, backups, env } = uploads();
    makeTree(live);
    const { key } = await backUp(env);
    const other = temporaryFolder();
    execFileSync('bash', ['-c', `zstd -dc "$0" | tar -xp -C "$1"`, join(backups, key), other]);
    assert.equal(lookInto(other), lookInto(live));
  });

  test('are undone by one command, and cleaned up in time', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    await backUp(env);
    writeFileSync(join(live, 'later'), 'x');
    const later = lookInto(live);
    const restored = await done('restore', ['latest', '--json'], env);
    const undo = await done('restore', ['--undo', '--json'], env);
    assert.equal(undo.json.restoredFrom, restored.json.previousDatabase);
    assert.equal(lookInto(live), later);
    const nothing = await runVerb('restore', ['--undo', '--json'], env);
    assert.equal(nothing.code, 1);
    assert.match(nothing.json.error.message, /there is nothing to undo/);
    const status = await runVerb('status', ['--json'], env);
    assert.deepEqual(
      status.json.sources[0].keptDatabases.map(({ name, role }: { name: string; role: string }) => [name, role]),
      [[undo.json.keptAs, 'undone']],
    );
    await done('cleanup', ['--json'], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('work for a single file, also when it is named by a link', async () => {
    const { data, live, env } = uploads();
    const key = join(data, 'master.key');
    writeFileSync(key, 'secret\n', { mode: 0o400 });
    symlinkSync(key, join(live, 'current'));
    for (const path of [key, join(live, 'current')]) {
      const of = { ...env, BACKUP_SOURCE_UPLOADS: `file://${path}` };
      const { manifest } = await backUp(of);
      assert.deepEqual([manifest.isFolder, manifest.files, manifest.fileBytes], [false, 1, 7]);
      rmSync(key);
      writeFileSync(key, 'wrong');
      const { json } = await done('restore', ['latest', '--json'], of);
      assert.equal(execFileSync('stat', ['--format=%a %s', key], { encoding: 'utf8' }), '400 7\n');
      assert.equal(readFileSync(json.previousDatabase, 'utf8'), 'wrong');
      await done('drill', ['--json'], of);
      await done('restore', ['--undo'], of);
      assert.equal(readFileSync(key, 'utf8'), 'wrong');
      rmSync(key);
      writeFileSync(key, 'secret\n', { mode: 0o400 });
    }
    assert.ok(readdirSync(live).includes('current'));
  });

  test('work for a folder in which there is nothing, and status tells of one that was emptied', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'a'), '1');
    await backUp(env);
    rmSync(join(live, 'a'));
    const { manifest, stderr } = await backUp(env);
    assert.deepEqual([manifest.files, manifest.fileBytes], [0, 0]);
    assert.match(stderr, /there are no files in it \(1 before\)/);
    await done('restore', ['latest'], env);
    assert.deepEqual(readdirSync(live), []);
  });

  test('--to restores beside, into what is missing or empty, and touches nothing else', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    await backUp(env);
    const before = lookInto(live);
    mkdirSync(join(data, 'empty'));
    for (const to of ['look', join(data, 'elsewhere'), join(data, 'empty')]) {
      const { json } = await done('restore', ['latest', '--to', to, '--json'], env);
      assert.equal(json.previousDatabase, null);
      assert.equal(lookInto(json.database), before);
    }
    assert.deepEqual(readdirSync(data), ['elsewhere', 'empty', 'look', 'uploads']);
    for (const [to, message] of [
      [join(data, 'look'), /exists and is not an empty folder/],
      [join(live, 'inside'), /not beside/],
      [data, /not beside/],
      ['a/b', /neither an absolute path nor a name/],
      [join(data, 'missing/folder'), /does not exist/],
    ] as const) {
      const refused = await runVerb('restore', ['latest', '--to', to, '--json'], env);
      assert.notEqual(refused.code, 0);
      assert.match(refused.json.error.message, message);
    }
    assert.equal(lookInto(live), before);
    assert.deepEqual(readdirSync(data), ['elsewhere', 'empty', 'look', 'uploads']);
  });

  test('work encrypted: age, zstd and tar restore it by hand too', async () => {
    const { live, backups, env } = uploads();
    makeTree(live);
    const { identity, recipient } = ageKeyPair();
    const { key } = await backUp({ ...env, BACKUP_AGE_RECIPIENTS: recipient });
    assert.match(key, /\.tar\.zst\.age$/);
    const before = lookInto(live);
    rmSync(join(live, 'random'));
    await done('restore', ['latest'], {
      ...env,
      BACKUP_AGE_RECIPIENTS: recipient,
      BACKUP_AGE_IDENTITY: identity,
    });
    assert.equal(lookInto(live), before);
    const other = temporaryFolder();
    const keyFile = join(temporaryFolder(), 'identity');
    writeFileSync(keyFile, `${identity}\n`);
    execFileSync('bash', ['-c', `age -d -i "$2" "$0" | zstd -d | tar -xp -C "$1"`, join(backups, key), other, keyFile]);
    assert.equal(lookInto(other), before);
  });
});

describe('a backup of a folder', { concurrency: 2 }, () => {
  test('names a file that changes while it is read, and is marked so', async () => {
    const { live, env } = uploads();
    const log = join(live, 'growing.log');
    writeFileSync(log, Buffer.alloc(20_000_000, 'x'));
    const held = heldCompressor(env);
    const running = startVerb('backup', ['--json'], held.env);
    await held.reached(await tarOf(running, '--create'));
    appendFileSync(log, 'more\n');
    held.release();
    const { code, json, stderr } = await running.outcome;
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

describe('a restore of a folder', { concurrency: 2 }, () => {
  test('refuses what was truncated or changed, and the live folder is as it was', async () => {
    const { data, live, backups, env } = uploads('?compression=none');
    makeTree(live);
    const { key } = await backUp(env);
    const whole = readFileSync(join(backups, key));
    writeFileSync(join(live, 'later'), 'x');
    const before = lookInto(live);
    const refuse = async (message: RegExp) => {
      const { code, json, stderr } = await runVerb('restore', [key, '--json'], env);
      assert.equal(code, 1, stderr);
      assert.match(json.error.message, message);
      assert.equal(lookInto(live), before);
      assert.deepEqual(readdirSync(data), ['uploads']);
    };
    truncateSync(join(backups, key), whole.length - 1);
    await refuse(/it has \d+ bytes, the manifest says/);
    const flipped = Buffer.from(whole);
    const at = flipped.indexOf('far down');
    flipped[at] = 0x46;
    writeFileSync(join(backups, key), flipped);
    await refuse(/its SHA-256 is/);
    // from here on the manifest has been forged along: only the archive itself and the tree can tell
    forge(backups, key, flipped);
    await refuse(/the digest of the tree is/);
    const drill = await runVerb('drill', [key, '--json'], env);
    assert.equal(drill.code, 1);
    assert.match(drill.stderr, /drill of uploads failed: files: the digest of the tree is/);
    forge(backups, key, whole.subarray(0, whole.lastIndexOf('zeros')));
    await refuse(/does not end as a whole one does/);
    forge(backups, key, whole.subarray(0, whole.length - 65_536));
    await refuse(/does not end|digest of the tree/);
    const broken = Buffer.from(whole);
    broken[3] = 0x7a;
    forge(backups, key, broken);
    await refuse(/checksum of a header does not fit/);
  });

  test('refuses an archive that would write elsewhere', async () => {
    const { data, live, backups, env } = uploads('?compression=none');
    writeFileSync(join(live, 'a'), 'x');
    const { key } = await backUp(env);
    const before = lookInto(live);
    const work = temporaryFolder();
    mkdirSync(join(work, 'in'));
    writeFileSync(join(work, 'victim'), 'untouched');
    writeFileSync(join(work, 'in/f'), 'x');
    for (const args of [
      ['-C', join(work, 'in'), '-P', '../victim'],
      ['-P', join(work, 'victim')],
      ['-C', join(work, 'in'), '-P', '--transform=s,^f$,a/../../f,', 'f'],
    ]) {
      forge(backups, key, execFileSync('tar', ['-cf', '-', ...args]));
      const { code, json } = await runVerb('restore', [key, '--json'], env);
      assert.equal(code, 1);
      assert.match(json.error.message, /the archive would write outside the folder/);
    }
    assert.equal(lookInto(live), before);
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('takes archives that were made by hand', async () => {
    const { live, backups, env } = uploads();
    const by = temporaryFolder();
    makeTree(by);
    mkdirSync(join(backups, '2026/01/02'), { recursive: true });
    for (const [i, format] of ['gnu', 'ustar', 'posix', 'oldgnu'].entries()) {
      const sparse = format === 'ustar' ? [] : ['--sparse'];
      // what ustar has no room for
      const left = format === 'ustar' ? ['--exclude=./dddd*', '--exclude=./xxxx*'] : [];
      const key = `2026/01/02/uploads_00000${i}.tar.gz`;
      execFileSync('tar', [`--format=${format}`, ...sparse, ...left, '-C', by, '-czf', join(backups, key), '.']);
      const { stderr } = await done('restore', [key], env);
      assert.match(stderr, /has no manifest/);
      if (format !== 'ustar') assert.equal(lookInto(live), lookInto(by));
    }
  });

  test('that is killed leaves the live folder as it was, and the next one removes what it left', async () => {
    const { data, live, env } = uploads();
    // long enough at work to be seen there, on a fast disk and a busy machine alike
    writeFileSync(join(live, 'large'), Buffer.alloc(1_200_000_000, 'x'));
    await backUp(env);
    writeFileSync(join(live, 'large'), 'changed');
    const running = startVerb('restore', ['latest'], env);
    const tar = await tarOf(running, '--extract');
    process.kill(tar.pid, 'SIGSTOP');
    const second = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.json.error.message, /another restore of .* is running/);
    running.signal('SIGKILL');
    process.kill(tar.pid, 'SIGCONT');
    await running.outcome;
    await until('all its processes have gone', () => (running.processes().length === 0 ? true : undefined));
    assert.equal(readFileSync(join(live, 'large'), 'utf8'), 'changed');
    assert.equal(readdirSync(data).length, 2);
    const next = await done('restore', ['latest', '--json'], env);
    assert.deepEqual(
      readdirSync(data)
        .map((name) => join(data, name))
        .sort(),
      [live, next.json.previousDatabase].sort(),
    );
  });

  test('as an ordinary user says which owners it could not set', { skip: !isRoot && 'wants root' }, async () => {
    const { data, live, backups, env } = uploads();
    makeTree(live);
    execFileSync('chmod', ['-R', 'a+rX', live]);
    await backUp(env);
    const before = lookInto(live, { owners: false });
    chmodSync(data, 0o777);
    execFileSync('chmod', ['-R', 'a+rwX', backups]);
    const { json, stderr } = await done('restore', ['latest', '--to', 'mine', '--json'], env, {
      through: UNPRIVILEGED,
    });
    assert.match(stderr, /owners could not be set.*0:0 \(\d+\).*65534:65534/);
    assert.equal(lookInto(json.database, { owners: false }), before);
  });

  test('of a backup of a database is refused', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    mkdirSync(join(backups, '2026/01/02'), { recursive: true });
    writeFileSync(join(backups, '2026/01/02/uploads_000000.sql'), 'select 1;');
    const { code, json } = await runVerb('restore', ['2026/01/02/uploads_000000.sql', '--json'], env);
    assert.equal(code, 1);
    assert.match(json.error.message, /a dump of a database/);
  });
});

describe('a folder that is a mount point of its own', { skip: !isRoot && 'wants root', concurrency: 2 }, () => {
  test('is restored, undone and cleaned up within itself', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    const through = mounted(live);
    await done('backup', [], env, { through });
    const before = lookInto(live);
    writeFileSync(join(live, 'stray'), 'x');
    rmSync(join(live, 'random'));
    const changed = lookInto(live);
    const { json, stderr } = await done('restore', ['latest', '--json'], env, { through });
    assert.equal(lookInto(live), before);
    assert.match(json.previousDatabase, /uploads\/\.compose-db-backup\/previous_\d{14}$/);
    assert.match(json.safetyBackup, /\.tar\.zst$/, stderr);
    // what is kept in it is no part of a backup of it
    await done('backup', ['--json'], env, { through });
    const drill = await runVerb('drill', ['--json'], env);
    assert.equal(drill.json.results[0].ok, true, drill.stderr);
    await done('restore', ['--undo', '--json'], env, { through });
    assert.equal(withoutRoot(lookInto(live)), withoutRoot(changed));
    await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' }, { through });
    assert.deepEqual(readdirSync(join(live, '.compose-db-backup')), []);
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('is backed up where it is mounted read-only, and a restore says how to run it', async () => {
    const { live, env } = uploads();
    makeTree(live);
    const through = mounted(live, 'ro');
    await done('backup', [], env, { through });
    const before = lookInto(live);
    const { code, json } = await runVerb('restore', ['latest', '--json'], env, { through });
    assert.equal(code, 1);
    assert.match(json.error.message, /mounted read-only/);
    assert.match(json.error.hint, /docker compose run --rm --user root .*--volume/);
    assert.equal(lookInto(live), before);
  });

  test('and in which another is mounted is left alone', async () => {
    const { live, env } = uploads();
    mkdirSync(join(live, 'cache'));
    await backUp(env);
    const { code, json } = await runVerb('restore', ['latest', '--json'], env, {
      through: mounted(join(live, 'cache')),
    });
    assert.equal(code, 1);
    assert.match(json.error.message, /something else is mounted in .*uploads\/cache/);
  });

  test('is not replaced while a backup reads it', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'large'), Buffer.alloc(300_000_000, 'x'));
    const through = mounted(live);
    await backUp(env);
    const backup = startVerb('backup', ['--json'], env, { through });
    const tar = await tarOf(backup, '--create');
    process.kill(tar.pid, 'SIGSTOP');
    const restore = startVerb('restore', ['latest'], env, { through });
    await until('the restore waits', () =>
      /is running: it is replaced when/.test(restore.stderr()) ? true : undefined,
    );
    process.kill(tar.pid, 'SIGCONT');
    const restored = await restore.outcome;
    assert.equal(restored.code, 0, restored.stderr);
    const { code, json, stderr } = await backup.outcome;
    assert.equal(code, 0, stderr);
    // where the restored one is prepared is made in it; nothing of what it read has moved
    assert.deepEqual(json.results[0].changed?.names ?? ['.'], ['.']);
  });
});

describe('a drill of a folder', () => {
  test('proves count, bytes and tree, and leaves nothing, also of one that was killed', async () => {
    const { live, env } = uploads();
    makeTree(live);
    const { manifest } = await backUp(env);
    const directory = temporaryFolder();
    mkdirSync(join(directory, 'files-drill-killed'));
    renameSync(live, `${live}-gone`);
    const { json } = await done('drill', ['--json'], { ...env, DRILL_DIR: directory });
    const [result] = json.results;
    const check = result.checks.find(({ name }: { name: string }) => name === 'files');
    assert.match(check.detail, new RegExp(`^${manifest.files} files, .*digest as dumped$`));
    assert.deepEqual(readdirSync(directory), []);
    assert.ok(result.rtoMs > 0);
  });

  test('asks for room before it begins', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    const { key, manifest } = await backUp(env);
    writeFileSync(join(backups, key.replace('.tar.zst', '.json')), JSON.stringify({ ...manifest, rawBytes: 1e15 }));
    const { code, json } = await runVerb('drill', ['--json'], env);
    assert.equal(code, 1);
    assert.match(json.results[0].checks[0].detail, /has .* free; rehearsing this restore needs about/);
  });
});
