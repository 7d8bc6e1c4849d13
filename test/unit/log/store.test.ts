import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { OperatorError } from '../../../scripts/lib/errors.ts';
import { newChain } from '../../../scripts/lib/log/keys.ts';
import { type LogBytes, segmentsFrom } from '../../../scripts/lib/log/segments.ts';
import { openLog } from '../../../scripts/lib/log/store.ts';
import { openRepository } from '../../../scripts/lib/repository/repository.ts';
import type { DoubleOptions } from '../../support/s3-double-requests.ts';
import { startStore } from '../../support/stores.ts';

const SEGMENT = 16 * 2 ** 20;
const AT = new Date('2026-11-27T09:20:00Z');
const { chain } = newChain(AT, '7446112233445566778');
const PART = { server: 'db', chain, segment: '000000010000000000000002', start: 0, end: 4, at: AT };
const { signal } = new AbortController();

async function storeOf(options: DoubleOptions) {
  const { double, storeEnv } = await startStore(options);
  const repository = await openRepository(configure({ PATH: process.env.PATH, ...storeEnv }).repository);
  const log = openLog(repository);
  const objects = async () => {
    const found: LogBytes[] = [];
    for (const { contents } of await log.chains({ server: 'db' }, AT, signal))
      for (const { key, object } of contents) if (object.kind === 'part') found.push({ key, object });
    return found;
  };
  return { double, log, objects, close: () => repository.close() };
}

test('an answer that was lost on its way, and the part put again: it is stored once', async () => {
  let isLost = true;
  const { log, objects, close } = await storeOf({
    fault: ({ operation }) => {
      const fault = operation === 'PutObject' && isLost ? 'lost' : undefined;
      isLost = false;
      return fault;
    },
  });
  await log.put(PART, Buffer.from('wal!'), SEGMENT, signal);
  await log.put(PART, Buffer.from('wal!'), SEGMENT, signal);
  assert.equal((await objects()).length, 1);
  close();
});

test('the same part with other bytes is refused: two servers write one log', async () => {
  const { log, close } = await storeOf({});
  await log.put(PART, Buffer.from('wal!'), SEGMENT, signal);
  await assert.rejects(
    log.put(PART, Buffer.from('WAL!'), SEGMENT, signal),
    (error) => error instanceof OperatorError && error.code === 'KEY_EXISTS',
  );
  close();
});

test('where the store may not be read, a part that is there already is stored beside it, and read once', async () => {
  const { double, log, objects, close } = await storeOf({ allow: ['PutObject'] });
  await log.put(PART, Buffer.from('wal!'), SEGMENT, signal);
  await log.put(PART, Buffer.from('wal!'), SEGMENT, signal);
  double.change({ allow: undefined });
  const stored = await objects();
  assert.equal(stored.length, 2);
  const [segment] = segmentsFrom(stored, SEGMENT);
  assert.equal(segment?.objects.length, 1);
  assert.equal(segment?.bytes, 4);
  close();
});
