import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { hasEngine } from '../support/container.ts';
import { until } from '../support/sessions.ts';
import { createStack } from '../support/stack.ts';

const skip = hasEngine() ? false : 'no Docker engine';
/** The versions of PostgreSQL's own image, as it comes. */
const VERSIONS = (process.env.PITR_VERSIONS ?? '18').split(',');

for (const version of VERSIONS) {
  describe(`a stock postgres:${version} with nothing set but PITR`, { skip }, () => {
    if (skip) return;
    const stack = createStack({
      POSTGRES_VERSION: version,
      POSTGRES_PASSWORD: 'not $ecret here',
      PITR: 'true',
      PITR_INTERVAL: '1s',
      COMPOSE_PROFILES: 'pitr',
    });
    after(async () => {
      const left = await stack.tearDown();
      assert.deepEqual(left, []);
    });
    const sql = (text: string) => stack.psql('postgres', 'myapp', text);
    const pitr = async () => (await stack.verb(['list', '--pitr', '--json'])).json.servers[0];
    const dataFolder = `/restore/${version}/docker`;
    const now = async () =>
      (await sql('select to_char(clock_timestamp() at time zone \'UTC\', \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')')).trim();
    let good = '';

    test('has a base and log stored after its start, unasked, with pg_hba.conf as it was', async () => {
      const up = await stack.up({});
      assert.equal(up.code, 0, up.stderr);
      await until('there is a base that log goes on from', async () =>
        (await pitr())?.recoverable.length > 0 ? true : undefined,
      );
      const hba = await sql(
        'select count(*) from pg_hba_file_rules where type = $$host$$ and database = $${replication}$$ and address is null',
      );
      assert.equal(hba, '0');
      const check = await stack.verb(['pitr', 'check']);
      assert.equal(check.code, 0, check.stdout);
    });

    test('rows written after the last backup, then the mistake: the moment before it brings back all of them', async () => {
      await sql('create table orders (n int primary key); insert into orders select generate_series(1, 100)');
      assert.equal((await stack.verb(['backup'])).code, 0);
      await sql('insert into orders select generate_series(101, 150)');
      good = await now();
      await sql('delete from orders where n > 3');
      const restored = await until('the log reaches it', async () => {
        const done = await stack.verb(['restore', '--at', good, '--json']);
        if (done.code !== 0 && /cannot be restored: .* is stored up to|stored for less/.test(done.stderr))
          return undefined;
        assert.equal(done.code, 0, done.stderr);
        return done.json;
      });
      assert.ok(restored.moment.firstOut > good);
      assert.equal(await sql('select count(*) from orders'), '150');
      await sql('insert into orders select generate_series(201, 210)');
      const written = Date.parse(await now());
      await until('the log reaches what was written', async () =>
        Date.parse((await pitr())?.recoverable.at(-1)?.to) > written ? true : undefined,
      );
    });

    test('a running server is refused; with its volume gone, the log brings all of it back, and its own image starts it', async () => {
      const refused = await stack.compose(['run', '--rm', '--no-TTY', 'restore-server', 'restore-server']);
      assert.equal(refused.code, 1, refused.stderr);
      assert.ok(refused.stderr.includes(`a server is running on ${dataFolder}`), refused.stderr);
      assert.equal((await stack.compose(['kill', 'postgres', 'receiver'])).code, 0);
      assert.equal((await stack.compose(['rm', '--force', 'postgres', 'receiver'])).code, 0);
      const gone = await stack.docker(['volume', 'rm', `${stack.project}_postgres-data`]);
      assert.equal(gone.code, 0, gone.stderr);

      const restored = await stack.compose(['run', '--rm', '--no-TTY', 'restore-server', 'restore-server', '--json']);
      assert.equal(restored.code, 0, restored.stderr);
      assert.deepEqual([restored.json.into, restored.json.previous], [dataFolder, null]);
      assert.equal((await stack.up({})).code, 0);
      assert.equal(await sql('select count(*) from orders'), '160');
    });

    test('the receiver begins a new log with a base by itself', async () => {
      await until('there is a base of the new log', async () => {
        const chains = new Set(((await pitr())?.bases ?? []).map(({ chain }: { chain: string }) => chain));
        return chains.size === 2 ? true : undefined;
      });
      const { json } = await stack.verb(['status', '--json']);
      assert.equal(json.servers[0].receiver.active, true, JSON.stringify(json.servers[0]));
    });

    test('back to a moment in place of what is there, kept in the volume, and undone', async () => {
      assert.equal((await stack.compose(['stop', 'postgres', 'receiver'])).code, 0);
      const run = (...words: string[]) =>
        stack.compose(['run', '--rm', '--no-TTY', 'restore-server', 'restore-server', ...words, '--json']);
      const back = await run('--at', good);
      assert.equal(back.code, 0, back.stderr);
      assert.ok(back.json.previous.startsWith(`${dataFolder}_previous_`), back.json.previous);
      assert.equal((await stack.compose(['start', 'postgres'])).code, 0);
      await until('it answers', () =>
        sql('select count(*) from orders').then(
          (n) => (n === '150' ? true : undefined),
          () => undefined,
        ),
      );
      assert.equal((await stack.compose(['stop', 'postgres'])).code, 0);
      const undone = await run('--undo');
      assert.equal(undone.code, 0, undone.stderr);
      assert.equal((await stack.compose(['start', 'postgres'])).code, 0);
      await until('it answers', () =>
        sql('select count(*) from orders').then(
          (n) => (n === '160' ? true : undefined),
          () => undefined,
        ),
      );
    });
  });
}
