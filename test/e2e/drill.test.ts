import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { forge } from '../support/forge.ts';
import { startHttpReceiver } from '../support/notify-receivers.ts';
import { startPostgres } from '../support/postgres.ts';
import {
  done,
  type Environment,
  type Outcome,
  processesOfSession,
  runVerb,
  startVerb,
  until,
} from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** A database with the example data, backed up once. */
async function backedUp(more: Environment = {}) {
  const database = postgres.freshName();
  await postgres.create(database);
  const folder = temporaryFolder();
  const drillDir = temporaryFolder();
  // as root, the server runs as somebody else
  chmodSync(drillDir, 0o1777);
  const env = {
    ...postgres.env(database),
    BACKUP_DIR: folder,
    DRILL_DIR: drillDir,
    DRILL_CHECKS: '/nonexistent',
    ...more,
  };
  const backup = await done('backup', ['--json'], env);
  return { database, folder, drillDir, env, key: backup.json.results[0].key as string };
}

function failedCheck(drill: Outcome): { name: string; detail: string } {
  assert.equal(drill.code, 1, drill.stderr);
  assert.equal(drill.json.ok, false);
  const [result] = drill.json.results;
  const failed = result.checks.filter((check: { ok: boolean }) => !check.ok);
  assert.ok(failed.length > 0, drill.stdout);
  return { name: failed[0].name, detail: failed.map((check: { detail: string }) => check.detail).join('; ') };
}

describe('a drill', { skip: missing, concurrency: 2 }, () => {
  test('proves a good backup, times it, records it, and leaves nothing but the record', async () => {
    const { database, folder, drillDir, env, key } = await backedUp();
    const before = await postgres.fingerprint(database);
    const drill = await done('drill', ['--json'], env);
    const [result] = drill.json.results;
    assert.equal(result.key, key);
    assert.equal(result.source, database);
    assert.ok(result.rpoMs > 0 && result.rtoMs > 0);
    const orders = result.tables.find((table: { table: string }) => table.table === 'public.orders');
    assert.deepEqual(orders, { table: 'public.orders', expected: 490, restored: 490 });
    for (const name of [
      'digest',
      'row counts',
      'sequences',
      'large objects',
      'constraints and indexes valid',
      'amcheck',
    ]) {
      assert.ok(
        result.checks.some((check: { name: string; ok: boolean }) => check.name === name && check.ok),
        `${name}: ${drill.stdout}`,
      );
    }
    const records = filesIn(folder).filter((file) => file.startsWith('drills/'));
    assert.deepEqual(records, [result.record]);
    assert.equal(JSON.parse(readFileSync(join(folder, result.record), 'utf8')).rtoMs, result.rtoMs);
    assert.deepEqual(readdirSync(drillDir), []);
    assert.deepEqual(await postgres.fingerprint(database), before);
    assert.deepEqual(await postgres.beside(database), [database]);
    const list = await runVerb('list', ['--json'], env);
    assert.equal(list.json.length, 1, 'a record is no backup');
  });

  const DAMAGES = {
    truncated: { name: 'digest', detail: /bytes, the manifest says/ },
    'changed in one byte': { name: 'digest', detail: /SHA-256/ },
    empty: { name: 'digest', detail: /it has 0 bytes/ },
  } as const;
  test('fails for an object that is not what was stored, and names it', async () => {
    const { folder, env, key } = await backedUp();
    const whole = readFileSync(join(folder, key));
    const changed = Buffer.from(whole);
    changed[Math.floor(whole.length / 2)] = (changed[Math.floor(whole.length / 2)] ?? 0) ^ 1;
    const bytes = {
      truncated: whole.subarray(0, whole.length / 2),
      'changed in one byte': changed,
      empty: Buffer.alloc(0),
    };
    for (const [damage, expected] of Object.entries(DAMAGES)) {
      writeFileSync(join(folder, key), bytes[damage as keyof typeof bytes]);
      const { name, detail } = failedCheck(await runVerb('drill', ['--json'], env));
      assert.equal(name, expected.name, damage);
      assert.match(detail, expected.detail, damage);
      assert.ok(detail.includes(key), damage);
    }
  });

  test('fails for the backup of another source under this one’s name', async () => {
    const { folder, env, key } = await backedUp();
    const other = await backedUp();
    for (const end of ['.sql.gz', '.json']) {
      const from = other.key.replace('.sql.gz', end);
      writeFileSync(join(folder, key.replace('.sql.gz', end)), readFileSync(join(other.folder, from)));
    }
    const { detail } = failedCheck(await runVerb('drill', ['--json'], env));
    assert.match(detail, /belongs to another backup/);
    assert.ok(detail.includes(other.database));
  });

  test('fails for a dump that lacks a row, a table, or breaks a foreign key, and says expected and found', async () => {
    const { folder, env, key } = await backedUp();
    const copy = (name: string) => readFileSync(join(folder, key.replace('.sql.gz', name)));
    const original = { '.sql.gz': copy('.sql.gz'), '.json': copy('.json') };
    const restoreOriginal = () => {
      for (const [end, bytes] of Object.entries(original))
        writeFileSync(join(folder, key.replace('.sql.gz', end)), bytes);
    };
    forge(folder, key, { sql: (sql) => sql.replace(/(COPY public\.measurements_2025 .*\n).*\n/, '$1') });
    const row = failedCheck(await runVerb('drill', ['--json'], env));
    assert.equal(row.name, 'row counts');
    assert.match(row.detail, /public\.measurements_2025 has 30 rows, expected 31/);

    restoreOriginal();
    forge(folder, key, {
      sql: (sql) =>
        sql.replace(/COPY public\.empty_table .*\n\\\.\n/, '').replaceAll(/.*public\.empty_table[^;]*;\n/g, ''),
    });
    const table = failedCheck(await runVerb('drill', ['--json'], env));
    assert.match(table.detail, /public\.empty_table is missing/);

    restoreOriginal();
    forge(folder, key, { sql: (sql) => sql.replace(/(COPY public\.customers .*\n).*\n/, '$1') });
    const reference = failedCheck(await runVerb('drill', ['--json'], env));
    assert.equal(reference.name, 'restored without an error');
    assert.match(reference.detail, /orders_customer_fkey/);
  });

  test('runs the operator’s own checks: rows fail it, a mistake and a write are told as that, comments are off', async () => {
    const checks = temporaryFolder();
    const { database, env } = await backedUp({ DRILL_CHECKS: checks });
    place(checks, 'off.sql', '-- select 1\n/* select 2 */\n');
    place(checks, 'fine.sql', 'select * from orders where net < 0;\n');
    place(checks, `${database}/own.sql`, 'select 1 where false -- only for this source');
    place(checks, 'another-source/not-run.sql', 'select 1');
    const good = await done('drill', ['--json'], env);
    const names = good.json.results[0].checks.map((check: { name: string }) => check.name);
    assert.ok(names.includes('fine.sql') && names.includes(`${database}/own.sql`));
    assert.ok(!names.includes('off.sql') && !names.some((name: string) => name.includes('not-run')));

    place(checks, 'rows.sql', 'select id, net from orders order by id');
    place(checks, 'syntax.sql', 'selec id from orders');
    place(checks, 'write.sql', 'delete from orders');
    place(checks, 'two.sql', 'commit; delete from orders');
    const bad = await runVerb('drill', ['--json'], env);
    assert.equal(bad.code, 1);
    const detailOf = (name: string) =>
      bad.json.results[0].checks.find((check: { name: string }) => check.name === name)?.detail as string;
    assert.match(detailOf('rows.sql'), /"id":"?1"?,"net":"0\.37"/);
    assert.match(detailOf('syntax.sql'), /the check itself failed: syntax error at or near "selec"/);
    assert.match(detailOf('write.sql'), /tries to write/);
    assert.match(detailOf('two.sql'), /multiple commands/);
  });

  test('says before it starts that there is no room, or no server of that version', async () => {
    const { folder, drillDir, env, key } = await backedUp();
    forge(folder, key, {
      manifest: (manifest) => {
        manifest.databaseBytes = 1e15;
      },
    });
    const room = failedCheck(await runVerb('drill', ['--json'], env));
    assert.match(room.detail, /free; rehearsing this restore needs about/);
    forge(folder, key, {
      manifest: (manifest) => {
        manifest.databaseBytes = 1;
        manifest.serverVersion = '9.1';
      },
    });
    const server = failedCheck(await runVerb('drill', ['--json'], env));
    assert.match(server.detail, /PostgreSQL 9 server is not installed here/);
    assert.deepEqual(readdirSync(drillDir), []);
  });

  test('that is killed leaves neither server nor folder, and the next one runs; two at once do not', async () => {
    const { drillDir, env } = await backedUp({ DRILL_CHECKS: temporaryFolder() });
    place(env.DRILL_CHECKS ?? '', 'slow.sql', 'select 1 from pg_sleep(60) where false');
    const running = startVerb('drill', ['--json'], env);
    await until('a throwaway server runs', () => running.processes().find(({ name }) => name === 'postgres'));
    const second = await runVerb('drill', ['--json'], env);
    assert.equal(second.code, 4, second.stderr);
    assert.equal(second.json.error.code, 'LOCKED', second.stderr);
    running.signal('SIGKILL');
    await running.outcome;
    await until('the server and its folder are gone', () =>
      processesOfSession(running.pid).length === 0 &&
      readdirSync(drillDir).every((name) => !name.startsWith('throwaway'))
        ? true
        : undefined,
    );
    rmSync(join(env.DRILL_CHECKS ?? '', 'slow.sql'));
    await done('drill', ['--json'], env);
  });

  test('that is interrupted stops its server and exits 1', async () => {
    const { drillDir, env } = await backedUp({ DRILL_CHECKS: temporaryFolder() });
    place(env.DRILL_CHECKS ?? '', 'slow.sql', 'select 1 from pg_sleep(60) where false');
    const running = startVerb('drill', ['--json'], env);
    await until('a throwaway server runs', () => running.processes().find(({ name }) => name === 'postgres'));
    running.signal('SIGTERM');
    const outcome = await running.outcome;
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /stopped by SIGTERM/);
    assert.deepEqual(readdirSync(drillDir), []);
  });

  test('of a source without a backup fails; of a backup without a manifest restores what there is', async () => {
    const { folder, env, key } = await backedUp();
    rmSync(join(folder, key.replace('.sql.gz', '.json')));
    await done('drill', ['--json'], env);
    rmSync(join(folder, key));
    const none = failedCheck(await runVerb('drill', ['--json'], env));
    assert.match(none.detail, /no backup/);
  });

  test('that fails is told, and a receiver that hangs does not change how a backup ends', async () => {
    const receiver = await startHttpReceiver();
    const { folder, env, key } = await backedUp({ NOTIFY_URL: `http://${receiver.host}/hook` });
    writeFileSync(join(folder, key), 'broken');
    assert.equal((await runVerb('drill', [], env)).code, 1);
    const [request] = receiver.requests;
    assert.equal(JSON.parse(request?.body ?? '{}').outcome, 'failure');
    assert.match(request?.body ?? '', /does not restore/);
    await receiver.close();
    const hanging = await startHttpReceiver('hang');
    const backup = await done('backup', ['--json'], {
      ...env,
      NOTIFY_URL: `http://${hanging.host}/hook`,
      NOTIFY_ON: 'always',
    });
    assert.match(backup.stderr, /could not notify webhook/);
    await hanging.close();
  });
});

describe('status', { skip: missing, concurrency: 2 }, () => {
  test('is green after a backup and a drill, and 3 once the backup is older than its target', async (t) => {
    const { database, env, key } = await backedUp();
    await done('drill', [], env);
    const green = await done('status', ['--json'], env);
    const [source] = green.json.sources;
    assert.equal(source.source, database);
    assert.equal(source.lastBackup.key, key);
    assert.equal(source.lastDrill.ok, true);
    assert.equal(source.rpoTargetMs, 7_200_000);
    assert.ok(source.rtoMs > 0 && source.rpoMs > 0);
    const stale = await runVerb('status', ['--json'], { ...env, RPO_TARGET: '1s' });
    assert.equal(stale.code, 3);
    assert.match(stale.json.sources[0].reasons.join(), /the last backup is .* old, the target is 1\.0s/);
    const slow = await runVerb('status', ['--json'], { ...env, RTO_TARGET: '1s', DRILL_MAX_AGE: '1s' });
    assert.match(slow.json.sources[0].reasons.join(), /the last drill is .* old, at most 1\.0s is allowed/);
    const table = await runVerb('status', [], env);
    assert.ok(
      table.stdout.split('\n').every((line) => line.length <= 80),
      table.stdout,
    );
    const metrics = await runVerb('status', ['--prometheus'], env);
    assert.match(metrics.stdout, new RegExp(`^database_backup_ok\\{source="${database}"\\} 1$`, 'm'));
    assert.match(metrics.stdout, /^# TYPE database_backup_last_timestamp_seconds gauge$/m);
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: metrics.stdout, encoding: 'utf8' });
    if (promtool.error)
      t.diagnostic('left out: promtool is not installed, so the metrics’ names were not checked by it');
    else assert.equal(promtool.status, 0, promtool.stderr);
    await done('status', ['--health'], env);
    assert.equal((await runVerb('status', ['--health'], { ...env, RPO_TARGET: '1s' })).code, 3);
  });

  test('is 3 without a backup, after a failed drill, and long after the first backup without any drill', async () => {
    const { folder, env, key } = await backedUp();
    assert.equal((await runVerb('status', [], { ...env, BACKUP_DIR: temporaryFolder() })).code, 3);
    writeFileSync(join(folder, key), 'broken');
    assert.equal((await runVerb('drill', [], env)).code, 1);
    const failed = await runVerb('status', ['--json'], env);
    assert.equal(failed.code, 3, failed.stderr);
    assert.match(failed.json.sources[0].reasons.join(), /the last drill failed: digest: /);
    rmSync(join(folder, 'drills'), { recursive: true });
    mkdirSync(join(folder, '2020/01/01'), { recursive: true });
    renameSync(join(folder, key), join(folder, '2020/01/01', key.slice(11)));
    const never = await runVerb('status', ['--json'], { ...env, RPO_TARGET: '9999d' });
    assert.match(never.json.sources[0].reasons.join(), /no drill in/);
  });

  test('tells of a database whose largest table was emptied, which is backed up all the same', async () => {
    const { database, env } = await backedUp();
    await postgres.sql(database, 'truncate orders; update customers set profile = default');
    const backup = await done('backup', ['--json'], env);
    assert.match(backup.json.results[0].warnings.join(), /table public\.orders is empty \(490 rows before\)/);
    const status = await runVerb('status', ['--json'], env);
    assert.match(status.json.sources[0].warnings.join(), /table public\.orders is empty \(490 rows before\)/);
    await postgres.sql(database, 'drop table orders cascade');
    await runVerb('backup', [], env);
    assert.match((await runVerb('status', [], env)).stdout, /table\s+public\.orders\s+is\s+gone/);
  });

  test('shows what restores keep, which cleanup drops in time and never earlier', async () => {
    const { database, env } = await backedUp();
    await done('restore', ['latest'], env);
    const status = await runVerb('status', ['--json'], env);
    const [kept] = status.json.sources[0].keptDatabases;
    assert.match(kept.name, new RegExp(`^${database}_previous_\\d{14}$`));
    assert.ok(kept.sizeBytes > 1e6);
    await done('cleanup', [], env);
    assert.ok((await postgres.beside(database)).includes(kept.name));
    const dropped = await runVerb('cleanup', ['--json'], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(
      dropped.json.databases.map(({ name }: { name: string }) => name),
      [kept.name],
    );
    assert.deepEqual(await postgres.beside(database), [database]);
  });
});
