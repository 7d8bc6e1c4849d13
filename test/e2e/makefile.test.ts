import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/folders.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const MAKE = process.env.MAKE_UNDER_TEST ?? 'make';
const hasMake = spawnSync(MAKE, ['--version'], { stdio: 'ignore' }).status === 0;
const skip = hasMake ? false : 'no make';

// one argument to a line would not do: arguments may hold line breaks
const PRINT_ARGUMENTS = '#!/bin/sh\nprintf "%s\\0" "$@"\n';
const NO_ENGINE = '#!/bin/sh\nexit 1\n';
const ENGINE = `#!/bin/sh
case "$1 $2" in
  'info '*) ;;
  'compose ps') if [ -e running ]; then echo 0123456789ab; fi ;;
  'compose exec') case "$*" in *VERB_RUN*) printf '%s\\0' "$@" ;; esac ;;
  *) exit 9 ;;
esac
`;

let folder: string;

/** Runs make in the folder, where every verb prints its arguments and docker is a stand-in. */
function make(docker: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  writeFileSync(join(folder, 'bin/docker'), docker, { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync(MAKE, [...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter), HOME: folder, ...env },
  });
  return { status, stdout, stderr, words: withoutOptions(stdout.split('\0').slice(0, -1)) };
}

/** Without what docker is told of the environment: `--env NAME`. */
function withoutOptions(words: readonly string[]): string[] {
  return words.filter((word, i) => word !== '--env' && words[i - 1] !== '--env');
}

/** A line that, were it ever expanded or run, would make the file `pwned`. */
const HOSTILE = [
  'x; touch pwned',
  '$(shell touch pwned)',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: make's braces
  '${shell touch pwned}',
  '$$(touch pwned)',
  '$(touch pwned)',
  '`touch pwned`',
  '"; touch pwned; "',
  "'; touch pwned; '",
  'a"b',
  "a'b",
  'a\\',
  'a\\b\\\\',
  '$HOME',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: make's braces
  '${HOME}',
  'a$b',
  'a$$b',
  'a$',
  '$@ $< $^ $(MAKE) $(FILE)',
  'a b   c',
  '*',
  '~',
  '#x',
  'a#b',
  '--undo',
  '-n',
  '$(error stop)',
  '$(if x,y),(z',
  'a&b|c>d<e',
  '!!',
  '%',
  'müñ/日本.sql.gz',
  'a\tb',
  'a\nb; touch pwned',
];

describe('what the user types after make', { skip }, () => {
  before(() => {
    folder = temporaryFolder();
    for (const path of ['bin', 'scripts/make', 'node_modules']) mkdirSync(join(folder, path), { recursive: true });
    const scripts = ['run-verb', 'docker', 'settings', 'need-stack'].map((name) => `scripts/make/${name}.sh`);
    for (const path of ['Makefile', ...scripts, 'package.json', 'package-lock.json']) {
      copyFileSync(join(PROJECT, path), join(folder, path));
    }
    writeFileSync(join(folder, 'bin/node'), PRINT_ARGUMENTS, { mode: 0o755 });
    writeFileSync(join(folder, 'node_modules/.package-lock.json'), '{}');
    writeFileSync(join(folder, 'running'), '');
  });

  const places = {
    'in the container': { docker: ENGINE, start: ['compose', 'exec', '--no-TTY', 'backup'], verb: 'restore' },
    'on the host': { docker: NO_ENGINE, start: ['--import', 'tsx'], verb: 'scripts/restore.ts' },
  };
  for (const [place, { docker, start, verb }] of Object.entries(places)) {
    for (const text of HOSTILE) {
      test(`reaches the verb ${place} as it is: ${JSON.stringify(text)}`, () => {
        for (const origin of ['on the command line', 'in the environment']) {
          const given = { FILE: text, TO: text, SOURCE: text, AT: text };
          const onCommandLine = origin === 'on the command line';
          const words = onCommandLine ? Object.entries(given).map(([name, value]) => `${name}=${value}`) : [];
          const outcome = make(docker, ['restore', ...words], onCommandLine ? {} : given);
          assert.equal(outcome.status, 0, outcome.stderr);
          assert.deepEqual(
            outcome.words,
            [...start, verb, `--source=${text}`, `--at=${text}`, `--to=${text}`, '--', text],
            origin,
          );
          assert.ok(!existsSync(join(folder, 'pwned')), `${origin}: it was run`);
        }
      });
    }

    test(`leaves out ${place} what was not given`, () => {
      const words = (...args: string[]) => make(docker, args).words.slice(start.length + 1);
      assert.deepEqual(words('restore', 'FILE=latest'), ['--', 'latest']);
      assert.deepEqual(words('backup'), ['--']);
      assert.deepEqual(words('backup', 'SOURCE=$(x) y'), ['--', '$(x) y']);
      assert.deepEqual(words('drill'), ['--']);
      assert.deepEqual(words('drill', "FILE=a'b"), ['--', "a'b"]);
      assert.deepEqual(words('cleanup-dry-run'), ['--dry-run']);
      assert.deepEqual(words('restore-undo'), ['--undo']);
    });
  }

  test('reaches the bench as words of its own, behind --', () => {
    const start = ['--import', 'tsx', 'bench/bench.ts'];
    const typed = ['--size', '4GB', '--only', '*', '--write'];
    assert.deepEqual(make(NO_ENGINE, ['bench', '--', ...typed]).words, [...start, ...typed]);
    // make takes what has = for variables, and puts those behind the rest
    assert.deepEqual(make(NO_ENGINE, ['bench', '--', '--size=4GB', '--help']).words, [
      ...start,
      '--help',
      '--size=4GB',
    ]);
    assert.deepEqual(make(NO_ENGINE, ['bench']).words, start);
    for (const text of HOSTILE) {
      make(NO_ENGINE, ['bench', '--', '--only', text]);
      assert.ok(!existsSync(join(folder, 'pwned')), `it was run: ${text}`);
    }
  });

  test('has to name a backup to restore', () => {
    const outcome = make(NO_ENGINE, ['restore']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /Which one\? make restore FILE=/);
    assert.equal(outcome.stdout, '');
  });

  test('is told to start the stack when an engine answers and the stack is down', () => {
    const withoutStack = ENGINE.replace('-e running', '-e no-such-file');
    const outcome = make(withoutStack, ['backup']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /The backup container is not running\. Start the stack: make up/);
  });

  const docker = (lines: string) => `#!/bin/sh\ncase "$*" in\n${lines}\nesac\n`;
  for (const [what, program, says] of [
    [
      'that Docker refuses who calls',
      docker(`*) echo 'permission denied while trying to connect to the docker API at unix:///x' >&2; exit 1;;`),
      /Docker is here, and refuses you: permission denied[\s\S]*group docker/,
    ],
    [
      'that an engine cannot be asked',
      docker(`*) echo 'context "work": context not known' >&2; exit 1;;`),
      /its engine cannot be asked: context "work"/,
    ],
    [
      'that Compose is not there',
      docker(`info*) ;;\n*) echo "docker: 'compose' is not a docker command." >&2; exit 1;;`),
      /its plugin Compose is not \(docker: 'compose' is not a docker command\.\)/,
    ],
    [
      'that Compose is too old',
      docker(`info*) ;;\n'compose version'*) echo 2.17.2;;\n*) echo 'env_file.0 must be a string' >&2; exit 15;;`),
      /Compose is version 2\.17\.2 here; this needs 2\.24 or newer/,
    ],
    [
      'in its own words why Compose cannot tell',
      docker(`info*) ;;\n'compose version'*) echo v2.30.0;;\n*) echo 'yaml: line 3: mapping values' >&2; exit 15;;`),
      /yaml: line 3: mapping values/,
    ],
    [
      'that the backup container is paused',
      ENGINE.replace(
        "'compose ps') if [ -e running ]; then echo",
        "'compose ps') if [ $6 = paused -o $5 = paused ]; then echo",
      ),
      /is paused\. Let it go on: docker compose unpause backup/,
    ],
    [
      "whose stack runs under this folder's name",
      ENGINE.replace('*) exit 9', "'inspect '*) echo 'postgres|/srv/other' ;;\n  *) exit 9"),
      /of the stack in \/srv\/other, and not of this folder[\s\S]*Nothing was done/,
    ],
  ] as const) {
    test(`is told ${what}, and nothing runs on this machine in its place`, () => {
      const outcome = make(program, ['restore', 'FILE=latest']);
      assert.equal(outcome.status, 2, outcome.stdout);
      assert.match(outcome.stderr, says);
      assert.equal(outcome.stdout, '');
      assert.doesNotMatch(outcome.stderr, /Start the stack/);
    });
  }

  test('does not reach this machine when the engine of a stack is down', () => {
    const down = docker(`*) echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1;;`);
    const env = join(folder, '.env');
    writeFileSync(env, "POSTGRES_PASSWORD='x'\n");
    const outcome = make(down, ['restore', 'FILE=latest']);
    assert.equal(outcome.status, 2);
    assert.match(outcome.stderr, /its engine does not answer\. Start it/);
    writeFileSync(env, "POSTGRES_HOST='127.0.0.1'\n");
    assert.equal(make(down, ['restore', 'FILE=latest']).status, 0, 'a .env of this machine');
    rmSync(env);
    assert.equal(make(down, ['restore', 'FILE=latest']).status, 0, 'a client without an engine is no Docker');
  });

  test('does not reach this machine when another engine was named, and that does not answer', () => {
    for (const [env, words, says] of [
      [
        { DOCKER_CONTEXT: 'prod' },
        'context "prod": context not found: open /x/meta.json: no such file',
        /DOCKER_CONTEXT names, prod: context "prod".*\n.*docker context ls/,
      ],
      [
        {},
        'context "prod": context not found: open /x/meta.json: no such file',
        /its context is not: .*\n.*docker context use/,
      ],
      [
        { DOCKER_HOST: 'ssh://me@server' },
        'me@server: Permission denied (publickey).',
        /at DOCKER_HOST=ssh:\/\/me@server: me@server: Permission denied/,
      ],
      [
        { DOCKER_HOST: 'tcp://server:2376' },
        'Cannot connect to the Docker daemon',
        /at DOCKER_HOST=tcp:\/\/server:2376: Cannot connect/,
      ],
    ] as const) {
      const outcome = make(docker(`*) echo '${words}' >&2; exit 1;;`), ['restore', 'FILE=latest'], env);
      assert.equal(outcome.status, 2, words);
      assert.match(outcome.stderr, says);
      assert.doesNotMatch(outcome.stderr, /group docker|systemctl/);
      assert.equal(outcome.stdout, '');
    }
  });

  test('settings of the shell go into the container by their names, and files by what they hold', () => {
    const secret = join(folder, 'identity');
    // as an editor of another system writes it
    writeFileSync(secret, '\uFEFFAGE-SECRET-KEY-1X\r\n');
    const prints = docker(`info*) ;;\n'compose ps'*) echo 0123456789ab;;\n'compose exec'*) env; printf '%s\\n' "$@";;`);
    const names = ['S3_PREFIX', 'BACKUP_SOURCE_SHOP', 'RPO_TARGET', 'BACKUP_AGE_RECIPIENT'];
    const { status, stdout, stderr } = make(prints, ['backup'], {
      ...Object.fromEntries(names.map((name) => [name, `$x of ${name}`])),
      ...{ BACKUP_AGE_IDENTITY_FILE: secret, MAILTO: 'x' },
    });
    assert.equal(status, 0, stderr);
    for (const name of names) {
      assert.ok(stdout.includes(`\n--env\n${name}\n`), name);
      assert.ok(stdout.includes(`\n${name}=$x of ${name}\n`), name);
    }
    assert.ok(stdout.includes('\n--env\nBACKUP_AGE_IDENTITY\n--env\nBACKUP_AGE_IDENTITY_FILE=\n'));
    assert.ok(stdout.includes('\nBACKUP_AGE_IDENTITY=AGE-SECRET-KEY-1X\n'));
    assert.ok(!stdout.includes('\nMAILTO\n'));
    writeFileSync(secret, '\n');
    const empty = make(prints, ['backup'], { BACKUP_AGE_IDENTITY_FILE: secret });
    assert.equal(empty.status, 2);
    assert.match(empty.stderr, /BACKUP_AGE_IDENTITY_FILE: .* is empty/);
  });

  test('is refused where a target does not know it, and restricts wherever it is taken', () => {
    for (const words of [
      'status SOURCE=shop',
      'cleanup FILE=x',
      'backup SOURC=shop',
      'clean SOURCE=x',
      'cleanup status SOURCE=shop',
      'backup restore SOURCE=shop FILE=x',
      'backup DB=x',
    ]) {
      const outcome = make(ENGINE, words.split(' '));
      assert.equal(outcome.status, 2, words);
      assert.match(outcome.stderr, /takes no [A-Z]+: nothing was done/);
      assert.equal(outcome.stdout, '');
    }
    for (const words of [
      'cleanup SOURCE=',
      'restore FILE=latest TO=',
      'drill FILE=',
      'restore FILE=latest FROM= SOURCE=x',
    ]) {
      const outcome = make(ENGINE, words.split(' '));
      assert.equal(outcome.status, 2, words);
      assert.match(outcome.stderr, /has no value: nothing was done/, 'what a shell has put nothing into');
      assert.equal(outcome.stdout, '');
    }
    assert.equal(make(ENGINE, ['verify', 'ALL=', 'S3_PREFIX=']).status, 0, 'flags and settings may be empty');
    const words = (...typed: string[]) => make(ENGINE, typed).words.slice(4);
    assert.deepEqual(words('cleanup', 'SOURCE=shop'), ['cleanup', '--source=shop']);
    assert.deepEqual(words('cleanup-dry-run', 'SOURCE=shop'), ['cleanup', '--dry-run', '--source=shop']);
    assert.deepEqual(words('list-backups', 'SOURCE=shop'), ['list', '--source=shop']);
    assert.deepEqual(words('backup', 'S3_PREFIX=prod'), ['backup', '--']);
  });
});

test('make from another folder says how, and does nothing', { skip }, () => {
  const { status, stderr } = spawnSync(MAKE, ['-f', join(PROJECT, 'Makefile'), 'clean'], {
    cwd: temporaryFolder(),
    encoding: 'utf8',
  });
  assert.equal(status, 2);
  assert.match(stderr, /make -C FOLDER TARGET/);
});

test('make and its scripts find bash by PATH, as on systems that have none in /bin', () => {
  assert.match(readFileSync(join(PROJECT, 'Makefile'), 'utf8'), /^SHELL := bash$/m);
  for (const name of readdirSync(join(PROJECT, 'scripts/make')).filter((each) => each.endsWith('.sh'))) {
    const [first] = readFileSync(join(PROJECT, 'scripts/make', name), 'utf8').split('\n', 1);
    assert.match(first ?? '', /^#!(\/usr\/bin\/env bash|\/bin\/sh)$/, name);
  }
});

test('make help, the default, lists every target', { skip }, () => {
  const targets = /^\.PHONY: ((?:.*\\\n)*.*)$/m.exec(readFileSync(join(PROJECT, 'Makefile'), 'utf8'))?.[1] ?? '';
  const names = targets.split(/[\s\\]+/).filter((name) => name !== 'engine');
  assert.ok(names.length > 15);
  const { status, stdout } = spawnSync(MAKE, [], { cwd: PROJECT, encoding: 'utf8' });
  assert.equal(status, 0);
  for (const name of names) assert.match(stdout, new RegExp(`^  ${name} +\\S`, 'm'));
});
