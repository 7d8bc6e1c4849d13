import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import pg from 'pg';
import type { Recovered } from '../../scripts/lib/engines/postgres/recovery/recover.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { startPostgres } from '../support/postgres.ts';
import { feedOf, type OwnTools, ownTools, recoverOwn, WITH_LOG, whereNow } from '../support/recovery.ts';

const { postgres, missing } = await startPostgres(WITH_LOG, ['host replication all 127.0.0.1/32 trust']);

const tools = missing ? ({} as OwnTools) : await ownTools(postgres);

async function rowsOf({ host, port, user }: Recovered, database: string): Promise<string[]> {
  const client = new pg.Client({ host, port, user, database });
  await client.connect();
  const { rows } = await client.query<{ n: number }>('select n from t order by n');
  await client.end();
  return rows.map(({ n }) => String(n));
}

describe('a base and a log are recovered on a server that nobody else reaches', { skip: missing }, () => {
  const database = missing ? '' : postgres.freshName();
  let base: string;
  /** The position and the time after each of the rows 2 and 3, and the transaction that wrote 3. */
  const at: Record<string, { lsn: string; time: string }> = {};
  let xid = '';
  let changed: string;

  before(async () => {
    await postgres.create(database, 'empty');
    await postgres.sql(database, 'create table t (n int)');
    await postgres.sql(database, 'insert into t values (1)');
    base = await tools.base('base');
    for (const n of ['2', '3', '4']) {
      const [row] = await postgres.sql(database, 'insert into t values ($1) returning txid_current()::text as xid', [
        n,
      ]);
      if (n === '3') xid = row.xid;
      const [now] = await postgres.sql(
        database,
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' as time",
      );
      at[n] = { lsn: await whereNow(postgres), time: now.time };
      if (n === '3') await postgres.sql(database, "select pg_create_restore_point('before four')");
      if (n === '2') await postgres.sql(database, 'select pg_switch_wal()');
    }
    await postgres.sql(database, 'checkpoint');
    await tools.received(await whereNow(postgres));
    await tools.stop();
    changed = await tools.base('changed');
  });

  test('to its end, and says how far that is', async () => {
    const recovered = await recoverOwn(base, feedOf(tools.folder));
    assert.deepEqual(await rowsOf(recovered, database), ['1', '2', '3', '4']);
    assert.equal(recovered.isEnd, true);
    assert.match(recovered.reachedLsn, /^0\/[0-9A-F]+$/);
    await recovered.stop();
    assert.equal(existsSync(recovered.directory), false);
  });

  test('to a moment, a mark, a transaction and a position', async () => {
    const log = feedOf(tools.folder);
    const targets = [
      { kind: 'time', time: at['3']?.time ?? '' },
      { kind: 'mark', name: 'before four' },
      { kind: 'xid', xid },
      { kind: 'lsn', lsn: at['3']?.lsn ?? '' },
    ] as const;
    for (const target of targets) {
      const recovered = await recoverOwn(base, log, { target });
      assert.deepEqual(await rowsOf(recovered, database), ['1', '2', '3'], target.kind);
      assert.equal(recovered.isEnd, false, target.kind);
      if (target.kind === 'time') {
        assert.ok(
          (recovered.firstOut?.at ?? '') > (at['3']?.time ?? '').replace(' ', 'T'),
          'the first one out is later',
        );
        assert.ok((recovered.lastIn?.at ?? '~') <= (at['3']?.time ?? '').replace(' ', 'T').replace('+00', 'Z'));
      }
      await recovered.stop();
    }
  });

  test('a moment after the last commit is the end of the log, where the log reaches it', async () => {
    const target = { kind: 'time', time: '2999-01-01 00:00:00+00' } as const;
    const recovered = await recoverOwn(base, feedOf(tools.folder), { target, endCounts: true });
    assert.deepEqual(await rowsOf(recovered, database), ['1', '2', '3', '4']);
    assert.equal(recovered.isEnd, true);
    await recovered.stop();
  });

  test('a mark that is not in the log is refused by name', async () => {
    const target = { kind: 'mark', name: 'never made' } as const;
    await assert.rejects(recoverOwn(base, feedOf(tools.folder), { target }), /the mark never made is not in the log/);
  });

  test('a file of the log that is missing in the middle ends it, and is never taken for the end', async () => {
    const log = feedOf(tools.folder);
    const [, second = ''] = log.planned;
    const planned = log.planned.filter((name) => name !== second);
    await assert.rejects(recoverOwn(base, { ...log, planned }), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.match(error.message, /could not restore file .* exit code 200|asked for a file/);
      return true;
    });
  });

  test('what is wrong with an object is what is said', async () => {
    const log = feedOf(tools.folder, {
      write: async (name) => {
        throw new OperatorError('BACKUP_DAMAGED', `${name} is damaged`);
      },
    });
    await assert.rejects(recoverOwn(base, log), /^OperatorError: [0-9A-F]{24} is damaged$/);
  });

  test('a base that was changed is refused before anything is replayed', async () => {
    execFileSync(
      'sh',
      ['-c', `mkdir x && tar -xf base.tar -C x && printf x >>x/PG_VERSION && tar -cf base.tar -C x . && rm -rf x`],
      {
        cwd: changed,
      },
    );
    await assert.rejects(recoverOwn(changed, feedOf(tools.folder)), /the base is not what the server sent.*PG_VERSION/);
    rmSync(changed, { recursive: true });
  });
});
