import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { OperatorError } from '../../../scripts/lib/errors.ts';

const IN_IMAGE = { RUNS_IN_IMAGE: 'true' };
type Env = Readonly<Record<string, string>>;

function problemsOf(env: Env): string {
  try {
    configure(env);
  } catch (error) {
    assert.ok(error instanceof OperatorError && error.code === 'CONFIG');
    return error.message;
  }
  return '';
}

describe('what docker run --env-file leaves of a line of .env', () => {
  test('is read as every other reader of the file reads it', () => {
    const { values, sources } = configure({
      ...IN_IMAGE,
      POSTGRES_PASSWORD: `'p$HOME $$ #1 "two" \\n'`,
      S3_PREFIX: '"prod"',
      BACKUP_SCHEDULE: "'0 0 3 * * *'  # at three",
      RETENTION_KEEP_LAST: "'5'",
      BACKUP_SOURCE_SHOP: "'postgres://u@h/shop'",
      BACKUP_SOURCE_SHOP_PASSWORD: "'it is ''not'' quoted'",
      TZ: "'Europe/Berlin'",
      BACKUP_DIR: '',
    });
    assert.equal(values.POSTGRES_PASSWORD, 'p$HOME $$ #1 "two" \\n');
    assert.equal(values.S3_PREFIX, 'prod');
    assert.equal(values.BACKUP_SCHEDULE.text, '0 0 3 * * *');
    assert.equal(values.RETENTION_KEEP_LAST, 5);
    assert.equal(values.TZ, 'Europe/Berlin');
    assert.equal(values.BACKUP_DIR, undefined);
    assert.equal(sources[0]?.name, 'shop');
  });

  test('is refused by name where it cannot be told what was meant', () => {
    for (const [name, text, says] of [
      ['S3_PREFIX', 'prod # mine', /S3_PREFIX ends in a comment/],
      ['POSTGRES_PASSWORD', '"a$$b"', /POSTGRES_PASSWORD is in double quotes, with a \$/],
      ['BACKUP_DIR', '"C:\\backups"', /BACKUP_DIR is in double quotes/],
    ] as const) {
      assert.match(problemsOf({ ...IN_IMAGE, [name]: text }), says);
      assert.doesNotMatch(problemsOf({ ...IN_IMAGE, [name]: text }), /a\$\$b/);
      assert.equal(problemsOf({ [name]: text }), '', 'not in the image');
    }
  });

  test('a secret may hold every character, and one alone in quotes is told of', () => {
    const passwordOf = (text: string, more: Env = {}) =>
      configure({ ...IN_IMAGE, ...more, POSTGRES_PASSWORD: text }).values.POSTGRES_PASSWORD;
    for (const text of ["'a", 'a # b', 'a"b"', "'a'b'"]) assert.equal(passwordOf(text), text);
    assert.equal(passwordOf("'a'"), 'a');
    assert.equal(passwordOf("'a'", { COMPOSE_READ: '.env' }), "'a'", 'Compose has read the file');
  });
});
