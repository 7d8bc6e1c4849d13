import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fieldsPart, targetsPart, variablesPart, verbNames, verbsPart } from '../../docs/make-reference.ts';
import { EXIT } from '../../scripts/lib/errors.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const PAGE = read('docs/reference.md');

function partOfPage(name: string): string {
  return PAGE.split(`<!-- generated: ${name} -->`)[1]?.split(`<!-- end: ${name} -->`)[0]?.trim() ?? '';
}

const parts = {
  'every make target': ['targets', targetsPart],
  'every variable, with what .env.example says of it': ['variables', variablesPart],
  'what --help of every command prints': ['verbs', () => verbsPart(process.env.TEST_BUNDLE)],
  'every field that --json prints': ['fields', fieldsPart],
} as const;

for (const [what, [name, part]] of Object.entries(parts)) {
  test(`docs/reference.md has ${what}, and nothing else`, async () => {
    const [has, wanted] = [partOfPage(name).split('\n'), (await part()).split('\n')];
    const at = wanted.findIndex((line, i) => line !== has[i]);
    if (at === -1 && has.length === wanted.length) return;
    assert.fail(`docs/reference.md is not current. Run: make reference\n  has:    ${has[at]}\n  wanted: ${wanted[at]}`);
  });
}

test('an option that a command takes is in its --help, and the other way round', () => {
  for (const verb of verbNames()) {
    const source = read(`scripts/${verb}.ts`);
    const help = /help\b[^`]*`([^`]*)`/.exec(source)?.[1] ?? '';
    assert.ok(help.includes('Exit codes:'), `scripts/${verb}.ts: its help was not found`);
    const taken = [...source.matchAll(/'?([a-z-]+)'?: \{ type: '(?:string|boolean)'/g)].map(([, name]) => name);
    const explained = [...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name);
    assert.deepEqual(
      [...new Set(explained)].filter((name) => name !== 'json').sort(),
      [...new Set(taken)].sort(),
      `scripts/${verb}.ts: its options and its help differ; mend one, then run: make reference`,
    );
  }
});

test('docs/reference.md has the exit codes that the commands have', () => {
  const table = PAGE.split('## Exit codes')[1]?.split('\n\n')[1] ?? '';
  assert.deepEqual(
    [...table.matchAll(/^\| (\d) \|/gm)].map(([, code]) => Number(code)),
    Object.values(EXIT),
  );
});

test("docs/reference.md has the options of a source's URL that are taken", () => {
  const table = PAGE.split("<!-- options of a source's URL -->")[1]?.split('<!-- end -->')[0] ?? '';
  const listed = [...table.matchAll(/`\?([a-z_]+)=`/g)].map(([, name = '']) => name);
  const code = read('scripts/lib/config/database-url.ts') + read('scripts/lib/config/files.ts');
  const lists = [...code.matchAll(/(?:known = |assertKnown\([\w.]+, )\[([\s\S]*?)\];?\)?/g)].map(
    ([, names = '']) => names,
  );
  const taken = [...lists.join().matchAll(/'([a-z_]+)'/g)].map(([, name = '']) => name).filter((n) => n !== 'mariadb');
  assert.deepEqual(listed.sort(), [...new Set(taken)].sort(), 'mend the table of options in docs/reference.md');
});
