import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import type { SlotSight } from '../../../scripts/lib/engines/postgres/walsender/slot-sight.ts';
import { newChain, slotName } from '../../../scripts/lib/log/keys.ts';
import { readServerLogs } from '../../../scripts/lib/log/server-log.ts';
import { openLog } from '../../../scripts/lib/log/store.ts';
import { openRepository } from '../../../scripts/lib/repository/repository.ts';
import { lostTail } from '../../../scripts/lib/status/servers.ts';
import { temporaryFolder } from '../../support/folders.ts';

const SEGMENT = 2 ** 20;
const BEGUN = new Date('2026-11-27T09:00:00Z');
const NOW = new Date('2026-11-27T10:00:00Z');
const { signal } = new AbortController();

test('log that the store has confirmed and does not have is missed, also where more was stored since it was listed', async (t) => {
  const config = configure({
    BACKUP_DIR: temporaryFolder(),
    PITR: 'true',
    POSTGRES_HOST: 'db',
    PATH: process.env.PATH,
  });
  const repository = await openRepository(config.repository);
  t.after(() => repository.close());
  const store = openLog(repository);
  const [server] = config.servers;
  assert.ok(server);
  const id = newChain(BEGUN, '744');
  const of = { server: 'db', chain: id.chain };
  await store.begin({ ...of, cause: 'first', segmentBytes: SEGMENT }, signal);
  const put = (start: number, end: number, segment = '000000010000000000000002') =>
    store.put({ ...of, segment, start, end, at: NOW }, Buffer.alloc(end - start), SEGMENT, signal);
  await put(0, 100);
  const [log] = await readServerLogs(store, NOW, signal);
  const isLost = (told: number, now = NOW) => {
    const sight = { slot: slotName('', 'db', id), restartLsn: BigInt(told) } as SlotSight;
    return lostTail(store, { server, log, sight, now }, signal);
  };
  const start = 2 * SEGMENT;
  assert.equal(await isLost(start + 100), false, 'all is there');
  assert.equal(await isLost(start + 300), true, 'the end is missing');
  // a slot that was just made says where, and not what is stored
  assert.equal(await isLost(start + 300, new Date(BEGUN.getTime() + 5_000)), false);
  await put(100, 300);
  assert.equal(await isLost(start + 300), false, 'stored since it was listed');
  await put(300, SEGMENT);
  assert.equal(await isLost(start + SEGMENT), false, 'to the end of a segment');
  assert.equal(await isLost(start + SEGMENT + 8), true);
});
