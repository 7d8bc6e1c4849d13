import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPeer } from '../../../scripts/lib/receive/peer.ts';

const PATIENCE = 60_000;
/** What is made of each second from one to another. */
const seconds = (peer: ReturnType<typeof newPeer>, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => peer.judge((from + n) * 1_000));

test('a server that says nothing is asked once, and counts as gone when it does not answer', () => {
  const peer = newPeer(PATIENCE, 0);
  assert.deepEqual([...new Set(seconds(peer, 0, 29))], ['well']);
  assert.equal(peer.judge(30_000), 'ask');
  assert.deepEqual([...new Set(seconds(peer, 31, 59))], ['well']);
  assert.equal(peer.judge(60_000), 'gone');
});

test('an idle server that answers is well for ever', () => {
  const peer = newPeer(PATIENCE, 0);
  for (let second = 0; second < 3_600; second += 1) {
    const found = peer.judge(second * 1_000);
    assert.notEqual(found, 'gone');
    if (found === 'ask') peer.alive(second * 1_000 + 5, false);
  }
});

test('a receiver that was frozen asks before it judges', () => {
  const peer = newPeer(PATIENCE, 0);
  assert.equal(peer.judge(600_000), 'ask');
  peer.sent(600_100);
  assert.equal(peer.judge(601_000), 'well');
});

test('one whose log is not read, because there is no room for more, is not called silent', () => {
  const peer = newPeer(PATIENCE, 0);
  peer.unread(true, 1_000);
  assert.deepEqual([...new Set(seconds(peer, 1, 600))], ['well']);
  peer.unread(false, 600_000);
  assert.equal(peer.judge(601_000), 'well');
  assert.equal(peer.judge(630_000), 'ask');
});

test('one that shuts down is let go after five seconds, and at once where its log is not read', () => {
  const peer = newPeer(PATIENCE, 0);
  for (let ms = 10_000; ms < 15_000; ms += 200) {
    peer.alive(ms, true);
    assert.equal(peer.judge(ms), 'well', `${ms}`);
  }
  assert.equal(peer.judge(15_000), 'ends');

  const full = newPeer(PATIENCE, 0);
  full.unread(true, 1_000);
  assert.equal(full.judge(2_000), 'well');
  full.endsSessions();
  assert.equal(full.judge(3_000), 'ends');
});

test('one that asks once, or goes on sending, is not shutting down', () => {
  const peer = newPeer(PATIENCE, 0);
  peer.alive(1_000, true);
  assert.equal(peer.judge(20_000), 'well');
  for (let ms = 21_000; ms < 28_000; ms += 200) {
    peer.alive(ms, true);
    peer.sent(ms + 100);
    assert.equal(peer.judge(ms + 150), 'well');
  }
});
