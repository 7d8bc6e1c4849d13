import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { chainsOf, folderOf, untilBases } from '../support/log.ts';
import { cases } from '../support/matrix.ts';
import { runVerb, startVerb, until } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;

interface OddServer {
  readonly segmentMegabytes: number;
  readonly initdb: readonly string[];
  readonly settings: readonly string[];
  /** So many, with a table in each. */
  readonly tablespaces: number;
}

/** In its file, and not in force: a machine that recovers it has neither the library nor the file. */
const NOT_HERE = "shared_preload_libraries = 'not_installed_here'\ninclude 'not_here_either.conf'\n";

const SERVERS = cases<OddServer>(
  [
    {
      segmentMegabytes: 1,
      initdb: ['--data-checksums', '--wal-segsize=1'],
      settings: ['wal_level=logical', 'min_wal_size=2MB', 'max_wal_size=32MB'],
      tablespaces: 3,
    },
    {
      segmentMegabytes: 64,
      initdb: ['--wal-segsize=64'],
      settings: ['min_wal_size=128MB', 'max_wal_size=256MB'],
      tablespaces: 0,
    },
  ],
  [],
);

async function makeTablespaces(cluster: Cluster, count: number): Promise<string[]> {
  const tables: string[] = [];
  for (let n = 1; n <= count; n += 1) {
    const place = join(dirname(cluster.data), `space-${n}`);
    mkdirSync(place);
    const { uid, gid } = cluster.owner;
    if (uid !== undefined && gid !== undefined) chownSync(place, uid, gid);
    await cluster.sql('postgres', `create tablespace space_${n} location '${place}'`);
    await cluster.sql('postgres', `create table in_${n} (n int) tablespace space_${n}`);
    await cluster.sql('postgres', `insert into in_${n} select generate_series(1, 100)`);
    tables.push(`in_${n}`);
  }
  return tables;
}

describe('servers that are set up otherwise are recovered too', { skip: missing }, () => {
  if (missing) return;
  for (const { segmentMegabytes, initdb, settings, tablespaces } of SERVERS) {
    test(`segments of ${segmentMegabytes} MB, ${tablespaces} tablespaces, what its files name is not here, and it allows more connections since`, async () => {
      const cluster = await startCluster({ initdb, settings });
      const file = join(cluster.data, 'postgresql.conf');
      const asItWas = readFileSync(file, 'utf8');
      const drills = folderOf('drills');
      // a server runs as another user where this is root
      chmodSync(drills, 0o777);
      const env = {
        ...cluster.env('postgres'),
        BACKUP_DIR: folderOf('log-store'),
        DRILL_DIR: drills,
        PITR: 'true',
        PITR_INTERVAL: '1s',
        BASE_SCHEDULE: 'off',
      };
      await cluster.sql('postgres', 'create table ledger (n int primary key, v text)');
      const tables = await makeTablespaces(cluster, tablespaces);
      appendFileSync(file, NOT_HERE);
      const receiver = startVerb('receive', [], env);
      await untilBases(env);
      writeFileSync(file, asItWas);
      await cluster.sql('postgres', 'alter system set max_connections = 321');
      await cluster.stop();
      await cluster.start();
      // several segments of it
      await cluster.sql(
        'postgres',
        'insert into ledger select n, repeat(md5(n::text), 30) from generate_series(1, 5000) n',
      );
      for (const table of tables) await cluster.sql('postgres', `insert into ${table} values (101)`);
      await cluster.sql('postgres', 'select pg_switch_wal()');
      await cluster.sql('postgres', 'insert into ledger select 5001');
      const [{ now }] = await cluster.sql(
        'postgres',
        `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
      );
      await cluster.sql('postgres', 'delete from ledger');
      for (const table of tables) await cluster.sql('postgres', `truncate ${table}`);
      const restored = await until('the log reaches it', async () => {
        const done = await runVerb('restore', ['--at', now, '--to', 'looked_at', '--json'], env);
        return done.code !== 0 && /cannot be restored: .* is stored up to|stored for less/.test(done.stderr)
          ? undefined
          : done;
      });
      assert.equal(restored.code, 0, restored.stderr);
      const [{ n }] = await cluster.sql('looked_at', 'select count(*)::int as n from ledger');
      assert.equal(n, 5001);
      for (const table of tables) {
        const [row] = await cluster.sql('looked_at', `select count(*)::int as n from ${table}`);
        assert.equal(row.n, 101, table);
      }
      const [chain, ...others] = await chainsOf(env);
      assert.deepEqual(others, []);
      assert.equal(chain?.segmentBytes, segmentMegabytes * 2 ** 20);
      assert.equal(chain?.runs.length, 1);
      receiver.signal('SIGTERM');
      assert.equal((await receiver.outcome).code, 0);
      await cluster.stop();
    });
  }
});
