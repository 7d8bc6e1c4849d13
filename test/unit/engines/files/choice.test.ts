import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { shownPath } from '../../../../scripts/lib/engines/files/tree/byte-path.mjs';
import { leavesOut, UnusedPatterns } from '../../../../scripts/lib/engines/files/tree/patterns.mjs';
import { walk } from '../../../../scripts/lib/engines/files/tree/walk.mjs';
import { temporaryFolder } from '../../../support/folders.ts';
import { makeTree } from '../../../support/trees.ts';

const NOTHING = () => false;

describe('what of a folder is archived', () => {
  test('comes in the very order in which tar goes through it', () => {
    const folder = temporaryFolder();
    makeTree(folder);
    for (const name of ['a', 'a-b', 'a.b', 'a/c', 'a/b/d', 'aa', 'B', 'ä', 'sub2/z', 'sub2/Z'])
      if (/[/]|^a$/.test(name)) mkdirSync(join(folder, `order/${name}`), { recursive: true });
      else {
        mkdirSync(join(folder, 'order'), { recursive: true });
        writeFileSync(join(folder, `order/${name}`), name);
      }
    const bytes = execFileSync('tar', ['--sort=name', '-C', folder, '-cf', '-', '.'], { maxBuffer: 1e9 });
    const listed = execFileSync('tar', ['--quoting-style=literal', '--show-transformed-names', '-tf', '-'], {
      input: bytes,
      encoding: 'latin1',
    });
    const written = [...walk(folder, { reserved: [], leavesOut: NOTHING })]
      .map(({ path, isFolder }) => `./${path}${isFolder && path !== '' ? '/' : ''}\n`)
      .join('');
    assert.equal(written, listed);
  });

  test('is what git would take, whatever the patterns and the names', () => {
    const folder = temporaryFolder();
    execFileSync('git', ['init', '--quiet', folder]);
    const names = ['a', 'b', 'ab', 'a b', 'log', 'x.log', 'cache', '[a]', '-x', '#x', '!x', 'A', '*'];
    const name = fc.constantFrom(...names);
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const part = fc.constantFrom(
      ...names,
      '*',
      '**',
      '?',
      '[ab]',
      '[!a]',
      '*.log',
      'a*',
      '\\*',
      '\\#x',
      'c?che',
      '[^a-b]',
      '[]a]',
      '[a',
      '[z-a]',
      '[[:alpha:]]',
      '[![:punct:]x]',
      'a**',
      '***',
      '[\\*x]',
      'a\\',
      '[*]',
      '?*',
    );
    const pattern = fc
      .tuple(
        fc.constantFrom('', '', '', '!', '/'),
        fc.array(part, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '', '/'),
      )
      .map(([before, parts, after]) => `${before}${parts.join('/')}${after}`);
    fc.assert(
      fc.property(
        fc.array(path, { minLength: 1, maxLength: 12 }),
        fc.array(pattern, { maxLength: 4 }),
        (paths, patterns) => {
          const tree = join(folder, 'tree');
          execFileSync('rm', ['-rf', tree]);
          mkdirSync(tree);
          for (const each of paths) {
            try {
              mkdirSync(dirname(join(tree, each)), { recursive: true });
              writeFileSync(join(tree, each), '', { flag: 'wx' });
            } catch {
              // a folder and a file of one name
            }
          }
          writeFileSync(join(folder, 'patterns'), patterns.map((each) => `${each}\n`).join(''));
          const listed = execFileSync(
            'git',
            ['-c', 'core.quotepath=off', 'ls-files', '-z', '--others', `--exclude-from=${join(folder, 'patterns')}`],
            {
              cwd: tree,
              encoding: 'utf8',
              env: { ...process.env, GIT_DIR: join(folder, '.git'), GIT_WORK_TREE: tree },
            },
          );
          const ours = [...walk(tree, { reserved: [], leavesOut: leavesOut(patterns) })].filter(({ isFile }) => isFile);
          assert.deepEqual(
            ours.map(({ path: each }) => shownPath(each)).sort(),
            listed
              .split('\0')
              .filter((each) => each !== '')
              .sort(),
          );
        },
      ),
      {
        numRuns: 100,
        // stars behind letters, which git's matching does not see
        examples: [
          [['a/log/b', 'ab/b', 'a/b'], ['a**/b']],
          [['a/log/b', 'ab/a', 'a/a'], ['a**/[ab]']],
          [['a/log', 'ab/a', 'a'], ['a**/**']],
          [['x.log/a/b', 'ab/b'], ['?**/b']],
        ],
      },
    );
  });

  test('a pattern that fits nothing is known, and one that takes another back fits what it names', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'cache/deep'), { recursive: true });
    for (const name of ['keep.log', 'gone.log', 'cache/deep/x', 'größe']) writeFileSync(join(folder, name), '');
    const patterns = ['*.log', '!keep.log', 'cache/', '/deep', 'gr?ße', '!nothing', '*.tmp', 'CACHE'];
    const unused = new UnusedPatterns(patterns);
    const choice = {
      reserved: [],
      leavesOut: leavesOut(patterns),
      seen: ({ path, isFolder }: { path: string; isFolder: boolean }) => unused.see(path, isFolder),
    };
    assert.deepEqual(
      [...walk(folder, choice)].map(({ path }) => path),
      ['', 'keep.log'],
    );
    assert.deepEqual(unused.list, ['/deep', '!nothing', '*.tmp', 'CACHE']);
  });
});
