import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseRecord } from '../../../scripts/lib/repository/drill-record.ts';
import { isSealed } from '../../../scripts/lib/repository/sealed-text.ts';

const RECORD = {
  version: 1,
  key: null,
  source: 'shop',
  ok: true,
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '2026-01-01T00:00:01.000Z',
  rpoMs: null,
  rtoMs: null,
  sizeBytes: null,
  rawBytes: null,
  bytesPerSecond: null,
  tables: [],
  checks: [],
};

describe('the record of a drill', () => {
  test('is read with what is sealed in it, and without', () => {
    const sealed = '-----BEGIN AGE ENCRYPTED FILE-----';
    const read = (record: object) => parseRecord(Buffer.from(JSON.stringify(record)));
    assert.ok(isSealed(read({ ...RECORD, sealed })?.sealed ?? ''));
    assert.equal(read(RECORD)?.sealed, undefined);
  });
});
