import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect as connectToMariaDb } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import * as mariadbLocks from '../../scripts/lib/engines/mariadb/server/locks.ts';
import { connect } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { lockBackup, unlockBackup } from '../../scripts/lib/engines/postgres/server/locks.ts';
import type { DatabaseSource } from '../../scripts/lib/source.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/sessions.ts';

const { signal } = new AbortController();

function sourceAt({ host, port, user }: { host: string; port: number; user: string }, database: string) {
  const times = { connectTimeoutMs: 60_000, lockTimeoutMs: 60_000, blockingTimeoutMs: 60_000 };
  return {
    ...{ name: 'shop', variable: 'BACKUP_SOURCE_SHOP', host, port, user, database, sslMode: 'disable', ...times },
    ...{ format: 'sql', compression: { method: 'none' }, jobs: 1, jobsBySize: false },
  } as const satisfies Omit<DatabaseSource, 'engine'>;
}

/** The beginning of the second after the one that comes next: a time of now has so long to go, whatever the machine does. */
const secondAfter = (ms: number) => (Math.floor(ms / 1_000) + 2) * 1_000;

const postgres = await startPostgres();
const mariadb = await startMariaDb();

describe('a backup of PostgreSQL that is done', { skip: postgres.missing }, () => {
  test('waits for nothing, and the next one until the second of its key is over', async () => {
    const database = postgres.postgres.freshName();
    await postgres.postgres.create(database, 'empty');
    const source = { engine: 'postgres', ...sourceAt(postgres.postgres, database) } as const;
    const now = async () => {
      const sql = 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms';
      return Number((await postgres.postgres.sql(database, sql))[0].ms);
    };
    const first = await connect(source, database, signal);
    await lockBackup(first, source, false);
    assert.ok(first.mayLeave);
    const over = secondAfter(await now());
    await unlockBackup(first, source, { timeMs: over - 1, signal });
    // one that comes at once is not told that another one is running
    const second = await connect(source, database, signal);
    await lockBackup(second, source, false);
    assert.ok((await now()) >= over);
    await second.close();
    const left = `select from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`;
    await until(
      'all sessions are gone',
      async () => (await postgres.postgres.sql(database, left)).length === 0 || undefined,
    );
  });

  test('leaves no session behind in a database whose sessions are few', async () => {
    const database = postgres.postgres.freshName();
    await postgres.postgres.create(database, 'empty');
    await postgres.postgres.sql(database, `alter database ${database} connection limit 5`);
    const source = { engine: 'postgres', ...sourceAt(postgres.postgres, database) } as const;
    const only = await connect(source, database, signal);
    await lockBackup(only, source, false);
    await unlockBackup(only, source, { timeMs: secondAfter(Date.now()) - 1, signal });
    const asleep = "select from pg_stat_activity where datname = $1 and query like '%pg_sleep%' and state = 'active'";
    assert.deepEqual(await postgres.postgres.sql('postgres', asleep, [database]), []);
  });
});

describe('a backup of MariaDB that is done', { skip: mariadb.missing }, () => {
  test('waits for nothing, and the next one until the second of its key is over', async () => {
    const database = mariadb.mariadb.freshName();
    await mariadb.mariadb.create(database, 'empty');
    const source = { engine: 'mariadb', ...sourceAt(mariadb.mariadb, database) } as const;
    const first = await connectToMariaDb(source, signal);
    await mariadbLocks.takeLock(first, { purpose: 'backup', source });
    assert.ok(first.mayLeave);
    const over = secondAfter(await mariadbLocks.serverTime(first));
    await mariadbLocks.unlockBackup(first, source, { timeMs: over - 1, signal });
    const second = await connectToMariaDb(source, signal);
    await mariadbLocks.takeLock(second, { purpose: 'backup', source });
    assert.ok((await mariadbLocks.serverTime(second)) >= over);
    await second.close();
  });
});
