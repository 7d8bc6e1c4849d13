import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { lockKey } from '../../scripts/lib/engines/postgres/server/locks.ts';
import { filesIn } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { recoverStored, WITH_LOG } from '../support/recovery.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(WITH_LOG);
const folder = mkdtempSync(join(tmpdir(), 'base-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('a base is a whole server in the store', { skip: missing }, () => {
  const database = missing ? '' : postgres.freshName();
  const store = join(folder, 'store');
  const env = () => ({ ...postgres.env(database), BACKUP_DIR: store, PITR: 'true' });

  /** No log is written of an unlogged table: one that is recovered is empty. */
  const logged = async () => ({ ...(await postgres.contents(database)), 'public.sessions': [] });

  before(async () => {
    mkdirSync(store);
    await postgres.create(database);
  });

  test('with its manifest last, its log inside, and recovered from alone', async () => {
    const taken = await done('base', ['--json'], env());
    const [result] = taken.json.results;
    assert.equal(result.ok, true);
    assert.equal(result.chain, null);
    assert.match(taken.stderr, /restores its own end alone/);
    const names = filesIn(store);
    assert.equal(names.length, 2, names.join(' '));
    const manifest = JSON.parse(readFileSync(join(store, result.key), 'utf8'));
    assert.equal(manifest.objects.length, 1);
    const [object] = manifest.objects;
    const archive = join(store, result.key, '..', object.name);
    const bytes = readFileSync(archive);
    assert.equal(bytes.length, object.sizeBytes);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), object.sha256);
    const members = execFileSync('bash', ['-c', `zstd -dc "$1" | tar -t`, 'sh', archive], { encoding: 'utf8' });
    assert.equal(members.trim().split('\n').at(-1), 'backup_manifest');
    assert.match(members, /^pg_wal\/[0-9A-F]{24}$/m);
    const raw = execFileSync('bash', ['-c', `zstd -dc "$1" | wc -c`, 'sh', archive], { encoding: 'utf8' });
    assert.equal(Number(raw), object.rawBytes);

    const recovered = await recoverStored(store, result.key);
    assert.deepEqual(await recovered.contents(database), await logged());
    await recovered.stop();
  });

  test('of several tablespaces, each an archive of its own', async () => {
    const places = ['first', 'second'].map((name) => join(folder, name));
    for (const place of places) {
      mkdirSync(place);
      chmodSync(folder, 0o755);
      if (process.getuid?.() === 0) execFileSync('chown', ['postgres', place]);
    }
    await postgres.sql('postgres', `create tablespace one location '${places[0]}'`);
    await postgres.sql('postgres', `create tablespace two location '${places[1]}'`);
    await postgres.sql(database, 'create table in_one tablespace one as select generate_series(1, 1000) n');
    await postgres.sql(database, 'create table in_two tablespace two as select generate_series(1, 10) n');
    const taken = await done('base', ['--json'], env());
    const [{ key }] = taken.json.results;
    assert.deepEqual(
      readdirSync(join(store, key.replace('.json', '')))
        .map((name) => name.replace(/^\d+/, '<oid>'))
        .sort(),
      ['<oid>.tar.zst', '<oid>.tar.zst', 'base.tar.zst'],
    );
    const recovered = await recoverStored(store, key);
    assert.deepEqual(await recovered.contents(database), await logged());
    await recovered.stop();
    await postgres.sql(database, 'drop table in_one, in_two');
    await postgres.sql('postgres', 'drop tablespace one');
    await postgres.sql('postgres', 'drop tablespace two');
  });

  test('one at a time, and nothing is left of one that is broken off', async () => {
    const before = filesIn(store);
    const holder = await postgres.connect('postgres');
    await holder.query('select pg_advisory_lock($1::bigint)', [lockKey('base', '127.0.0.1')]);
    const locked = await runVerb('base', [], env());
    assert.equal(locked.code, 4, locked.stderr);
    assert.match(locked.stderr, /another base of 127.0.0.1 is being taken/);
    await holder.end();
    const short = await runVerb('base', ['--json'], { ...env(), BACKUP_TIMEOUT: '1s', BACKUP_MAX_RATE: '40K' });
    assert.equal(short.code, 1, short.stderr);
    assert.match(short.json.results[0].error, /took longer than BACKUP_TIMEOUT/);
    assert.deepEqual(filesIn(store), before);
    assert.deepEqual(await postgres.sql('postgres', 'select slot_name from pg_replication_slots'), []);
  });

  test('without PITR there is nothing to take, and a server that is not configured is named', async () => {
    const off = await done('base', [], { ...env(), PITR: 'false' });
    assert.match(off.stdout, /no server's log is taken: PITR is off/);
    const wrong = await runVerb('base', ['nowhere'], env());
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /there is no server "nowhere"/);
  });
});
