import assert from 'node:assert/strict';
import test from 'node:test';
import { type RecoverySaid, takeIn } from '../../../../scripts/lib/engines/postgres/recovery/server-log.ts';

test('the cause of a recovery that failed is no answer to a session that asked too early or too late', () => {
  const said: RecoverySaid = { hasStopped: false, hasMissedTarget: false };
  for (const line of [
    'FATAL:  the database system is starting up',
    'FATAL:  could not restore file "00000001000000000000000A" from archive: child process exited with exit code 200',
    'FATAL:  the database system is in recovery mode',
    'FATAL:  the database system is not accepting connections',
    'FATAL:  the database system is shutting down',
    'FATAL:  sorry, too many clients already',
  ])
    takeIn(said, line);
  assert.match(said.fatal ?? '', /could not restore file/);
});
