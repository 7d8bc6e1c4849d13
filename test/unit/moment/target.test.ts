import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatorError } from '../../../scripts/lib/errors.ts';
import { targetOf } from '../../../scripts/lib/moment/target.ts';

const timeOf = (at: string) => {
  const target = targetOf({ at });
  return target?.kind === 'time' ? target.time : undefined;
};
const hintOf = (at: string) => {
  try {
    targetOf({ at });
  } catch (error) {
    if (error instanceof OperatorError) return error.hint;
  }
  return undefined;
};

test('a time has a fraction of up to nine digits and an offset, however they are written', () => {
  for (const text of [
    '2026-11-28T02:53:20.788606Z',
    '2026-11-28t02:53:20.788606999z',
    '2026-11-28 08:23:20,788606+0530',
    '2026-11-28 08:23:20.788606 +05:30',
    '2026-11-27T16:53:20.788606-10',
  ])
    assert.equal(timeOf(text), '2026-11-28 02:53:20.788606+00', text);
  assert.equal(timeOf('2026-11-28'), '2026-11-28 00:00:00.000000+00');
  // the hour that there is twice in autumn is told by its offset
  assert.equal(timeOf('2026-10-25T02:30:00+02:00'), '2026-10-25 00:30:00.000000+00');
  assert.equal(timeOf('2026-10-25T02:30:00+01:00'), '2026-10-25 01:30:00.000000+00');
});

test('a zone is not read by its name, and it is said how to write it', () => {
  for (const text of ['2026-11-28 03:00:00 Europe/Berlin', '2026-11-28T03:00:00 CET', '2026-11-28 03:00 CEST'])
    assert.match(hintOf(text) ?? '', /\+01:00, or the time in UTC/, text);
  for (const text of ['yesterday', '1795834478', '2026-02-30T00:00:00Z', '2026-11-28T25:00:00Z', '03:00'])
    assert.match(hintOf(text) ?? '', /See --help/, text);
});
