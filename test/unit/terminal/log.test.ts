import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact, registerSecret } from '../../../scripts/lib/terminal/log.ts';

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
