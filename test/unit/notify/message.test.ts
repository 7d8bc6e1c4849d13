import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitMessage, type Notice, render } from '../../../scripts/lib/notify/message.ts';
import { inBytes, keepEnd, keepStart } from '../../../scripts/lib/terminal/cut.ts';
import { log, logTail, registerSecret } from '../../../scripts/lib/terminal/log.ts';
import { standardErrorOf } from '../../support/notify-receivers.ts';

const NOTICE: Notice = {
  verb: 'backup',
  outcome: 'failure',
  items: [
    {
      source: 'billing',
      what: 'pg_dump exited with 1',
      since: new Date('2026-07-01T01:00:00Z'),
      next: 'make backup SOURCE=billing',
    },
  ],
  at: new Date('2026-07-02T03:00:00Z'),
  host: 'db1',
};

test('a message says which source, what happened, since when and what to do next', () => {
  const message = render(NOTICE);
  assert.equal(message.subject, 'Backup failed: billing on db1');
  assert.equal(
    message.text,
    [
      'billing: pg_dump exited with 1',
      '  since: 2026-07-01 01:00:00Z (1d 2h ago)',
      '  next: make backup SOURCE=billing',
      '',
      '2026-07-02 03:00:00Z on db1',
    ].join('\n'),
  );
});

test('a subject names each source once, three at most, on one line', () => {
  const items = ['a', 'a', 'b\nc', 'd', 'e', 'f'].map((source) => ({ source, what: 'gone' }));
  assert.equal(render({ ...NOTICE, items }).subject, 'Backup failed: a, b c, d and 2 more on db1');
  assert.ok(render({ ...NOTICE, items: [{ source: 'x'.repeat(9_000), what: '' }] }).subject.length <= 200);
});

test('a message holds no secret, no control character and no half of a character', () => {
  registerSecret('correct horse battery');
  const message = render({
    ...NOTICE,
    items: [
      { source: 'app\u0000', what: 'password correct horse battery \u001b[31mwrong\ud83d', next: 'ask\r\nBcc: x' },
    ],
    logTail: 'dsn postgres://u:correct%20horse%20battery@db/app',
  });
  const all = JSON.stringify(message);
  assert.doesNotMatch(all, /horse/);
  assert.doesNotMatch(all, /\\u0000|\\u001b|\\ud83d|\\r/);
  assert.match(message.text, /^app: password \[secret\] \[31mwrong\ufffd/);
});

test('what is too long loses the beginning of its log first, then the end of its text', () => {
  const message = render({ ...NOTICE, logTail: `first ${'x'.repeat(5_000)} last` });
  const cut = fitMessage(message, 1_000);
  assert.equal(cut.length, 1_000);
  assert.ok(cut.startsWith(message.text));
  assert.match(cut, /The end of the log:\nx+ last$/);
  const tight = fitMessage(message, 60);
  assert.ok(tight.length <= 60);
  assert.match(tight, /^billing: pg_dump exited with 1\n.*… \(cut\)$/s);
});

test('a limit in bytes is kept with every kind of character, and none is cut in half', () => {
  const long = 'aä€😀'.repeat(3_000);
  const message = render({ ...NOTICE, items: [{ source: 'app', what: long }], logTail: long });
  for (const limit of [200, 201, 202, 203, 204, 4_000]) {
    const text = fitMessage(message, limit, inBytes);
    assert.ok(Buffer.byteLength(text) <= limit);
    assert.doesNotMatch(text, /\p{Cs}|\ufffd/u);
  }
  assert.equal(keepStart('a😀b', 2), 'a');
  assert.equal(keepStart('a😀b', 3), 'a😀');
  assert.equal(keepEnd('a😀b', 2), 'b');
  assert.equal(keepEnd('a😀b', 3), '😀b');
  assert.equal(keepEnd('a😀b', 0), '');
  assert.equal(keepEnd('ä😀b', 5, inBytes), '😀b');
});

test('the tail of the log is what was logged last, within its limits and without secrets', async () => {
  await standardErrorOf(async () => {
    log.info('the very first line');
    for (let n = 0; n < 150; n += 1) log.info(`line ${n}`);
    log.error('the token is sesame-open-9');
  });
  registerSecret('sesame-open-9');
  const tail = logTail();
  assert.doesNotMatch(tail, /the very first line|sesame/);
  assert.match(tail, /line 149\n.*error: the token is \[secret\]$/);
  assert.equal(tail.split('\n').length, 100);
  await standardErrorOf(async () => log.warn(`${'€'.repeat(20_000)} end`));
  assert.ok(Buffer.byteLength(logTail()) <= 10_000);
  assert.match(logTail(), /€ end$/);
});
