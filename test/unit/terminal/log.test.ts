import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printJson, redact, registerSecret } from '../../../scripts/lib/terminal/log.ts';

test('a secret is shown in none of its forms', () => {
  const secret = 'p$a#s "s" /ü\\';
  registerSecret(secret);
  for (const form of [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret)]) {
    const text = redact(`before ${form} after`);
    assert.match(text, /^before "?\[secret\]"? after$/);
  }
});

test('a secret within a longer one does not leave the rest of that one', () => {
  registerSecret('abc');
  registerSecret('abcdef-long');
  assert.equal(redact('abcdef-long abc'), '[secret] [secret]');
});

test('a secret with characters that mean something in patterns or replacements is taken as it is', () => {
  registerSecret('a.*$&$1(');
  assert.equal(redact('a.*$&$1( aXX'), '[secret] aXX');
});

test('each line of a secret of several lines is one', () => {
  registerSecret('-----BEGIN KEY-----\nfirstlineofkey\nsecondlineofkey\nab\n');
  assert.equal(redact('> firstlineofkey\n> secondlineofkey ab'), '> [secret]\n> [secret] ab');
});

test('what is too short to be told from ordinary text is left alone', () => {
  registerSecret('');
  registerSecret('e');
  assert.equal(redact('the end'), 'the end');
});

test('a document is printed as JSON has it, though its rows are made one by one', (context) => {
  const written: string[] = [];
  context.mock.method(process.stdout, 'write', (text: string) => written.push(text) > 0);
  const rows = [{ a: 1, b: [], c: [{ d: 'two\nlines' }], e: undefined }, 'text', null];
  for (const document of [
    rows,
    [],
    {},
    { rows, none: [], left: undefined, at: new Date(0), deep: { rows } },
    7,
    null,
  ]) {
    written.length = 0;
    const streamed = Array.isArray(document) ? document.values() : document;
    printJson(streamed);
    assert.equal(written.join(''), `${JSON.stringify(document, null, 2)}\n`);
  }
});

test('a long document goes out in pieces, none of which shows a secret', (context) => {
  registerSecret('hidden-in-a-row');
  const written: string[] = [];
  context.mock.method(process.stdout, 'write', (text: string) => written.push(text) > 0);
  printJson(Array.from({ length: 5_000 }, (_, n) => ({ n, text: `hidden-in-a-row ${n}` })).values());
  assert.ok(written.length > 2, String(written.length));
  const text = written.join('');
  assert.ok(!text.includes('hidden-in-a-row'));
  assert.equal((JSON.parse(text) as unknown[]).length, 5_000);
});
