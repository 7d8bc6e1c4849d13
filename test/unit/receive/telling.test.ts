import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNotifyUrls } from '../../../scripts/lib/notify/channels/index.ts';
import { newTelling } from '../../../scripts/lib/receive/telling.ts';
import { startHttpReceiver } from '../../support/notify-receivers.ts';

const MINUTE_MS = 60_000;

test('a log that is not taken is told of once, however long it lasts, and so is that it is taken again', async (t) => {
  const receiver = await startHttpReceiver();
  t.after(receiver.close);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const telling = newTelling({ NOTIFY_URL: parseNotifyUrls(`http://${receiver.host}/`), NOTIFY_ON: 'always' });
  let reasons: string[] = [];
  const stop = telling.watch(() => reasons);
  const lasts = async (ms: number) => {
    t.mock.timers.tick(ms);
    await telling.done();
  };
  await lasts(10 * MINUTE_MS);
  assert.equal(receiver.requests.length, 0, 'nothing while it goes well');

  reasons = ['the log of db has not been stored for two minutes: the store is away'];
  await lasts(10 * MINUTE_MS);
  assert.equal(receiver.requests.length, 1);
  const { verb, outcome, items, subject } = receiver.json(0);
  assert.deepEqual([verb, outcome], ['receive', 'failure']);
  assert.equal(items[0].what, reasons[0]);
  assert.match(items[0].next, /What is written now is lost with the server/);
  assert.ok(subject.length > 0);

  reasons = [];
  await lasts(10 * MINUTE_MS);
  assert.equal(receiver.requests.length, 2);
  assert.equal(receiver.json(1).outcome, 'success');
  reasons = ['the log of db has not been taken for two minutes'];
  await lasts(MINUTE_MS);
  assert.equal(receiver.requests.length, 3, 'and anew when it happens anew');
  stop();
  reasons = [];
  await lasts(MINUTE_MS);
  assert.equal(receiver.requests.length, 3);
});
