import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
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
  'compose exec') printf '%s\\0' "$@" ;;
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
  return { status, stdout, stderr, words: stdout.split('\0').slice(0, -1) };
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
    for (const path of ['bin', 'scripts', 'node_modules']) mkdirSync(join(folder, path), { recursive: true });
    for (const path of ['Makefile', 'scripts/make/run-verb.sh', 'package.json', 'package-lock.json']) {
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
});

test('make help, the default, lists every target', { skip }, () => {
  const targets = /^\.PHONY: ((?:.*\\\n)*.*)$/m.exec(readFileSync(join(PROJECT, 'Makefile'), 'utf8'))?.[1] ?? '';
  const names = targets.split(/[\s\\]+/).filter((name) => name !== 'engine');
  assert.ok(names.length > 15);
  const { status, stdout } = spawnSync(MAKE, [], { cwd: PROJECT, encoding: 'utf8' });
  assert.equal(status, 0);
  for (const name of names) assert.match(stdout, new RegExp(`^  ${name} +\\S`, 'm'));
});
