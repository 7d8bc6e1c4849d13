import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ageKeyPair } from '../support/backups.ts';
import { hasEngine } from '../support/container.ts';
import { filesIn } from '../support/folders.ts';
import { startGarage } from '../support/garage.ts';
import { chainsOf, folderOf, receiverEnv, startReceiver, untilBases, untilStored } from '../support/log.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { runVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres([...WITH_LOG, 'max_replication_slots=10']);
const { recipient, identity } = ageKeyPair();

interface Kept {
  readonly what: string;
  readonly where: 'directory' | 'Garage';
  readonly isSealed: boolean;
  readonly settings: Readonly<Record<string, string>>;
}
const KEPT: readonly Kept[] = [
  { what: 'plain', where: 'directory', isSealed: false, settings: { BASE_COMPRESSION: 'gzip' } },
  { what: 'encrypted', where: 'directory', isSealed: true, settings: { BACKUP_MANIFEST_PRIVATE: 'true' } },
  { what: 'encrypted', where: 'Garage', isSealed: true, settings: { BASE_COMPRESSION: 'none', S3_PREFIX: 'a/prefix' } },
];

describe('a log and its base restore, however they are kept', { skip: missing, concurrency: false }, () => {
  if (missing) return;
  for (const { what, where, isSealed, settings } of KEPT) {
    const skip = where === 'Garage' && !hasEngine() ? 'no Docker engine' : false;
    test(`${what}, in ${where === 'Garage' ? where : `a ${where}`}: ${Object.entries(settings)
      .map((each) => each.join('='))
      .join(' ')}`, {
      skip,
    }, async () => {
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      const store = where === 'directory' ? { BACKUP_DIR: folderOf('log-store') } : await bucket();
      const drills = folderOf('drills');
      chmodSync(drills, 0o777);
      const env = receiverEnv(postgres, {
        ...{ ...settings, ...store, DRILL_DIR: drills, POSTGRES_DB: database, PITR_INTERVAL: '1s' },
        ...(isSealed ? { BACKUP_AGE_RECIPIENTS: recipient } : {}),
      });
      const receiver = await startReceiver(postgres, env);
      const reading = isSealed ? { ...env, BACKUP_AGE_IDENTITY: identity } : env;
      await untilBases(reading);
      await postgres.sql(database, 'create table ledger (n int)');
      await postgres.sql(database, 'insert into ledger select generate_series(1, 1000)');
      const [{ now }] = await postgres.sql(
        database,
        `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
      );
      await postgres.sql(database, 'drop table ledger');
      await untilStored(postgres);
      const to = postgres.freshName();
      const restored = await until('the log reaches it', async () => {
        const done = await runVerb('restore', ['--at', now, '--to', to, '--json'], reading);
        return done.code !== 0 && /cannot be restored: .* is stored up to|stored for less/.test(done.stderr)
          ? undefined
          : done;
      });
      assert.equal(restored.code, 0, restored.stderr);
      const rows = () => postgres.sql(to, 'select count(*)::int as n from ledger').then(([{ n }]) => n as number);
      assert.equal(await rows(), 1000);

      receiver.signal('SIGTERM');
      assert.equal((await receiver.outcome).code, 0);
      await postgres.sql(
        'postgres',
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'cdb%' and not temporary",
      );
      const [chain] = await chainsOf(reading);
      assert.equal(chain?.runs.length, 1);
      if (isSealed) await assertRefused(env, now);
      else await restoresFromZstd(env, now);
    });
  }

  async function bucket() {
    const garage = await startGarage();
    after(() => garage.stop());
    const { endpoint, region, bucket: name, accessKey, secretKey } = garage.settings;
    return {
      ...{ S3_ENDPOINT: endpoint ?? '', S3_REGION: region ?? '', S3_BUCKET: name },
      ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
    };
  }

  /** Nothing of it is to be read without the key, and with another one. */
  async function assertRefused(env: Record<string, string>, now: string): Promise<void> {
    const without = await runVerb('restore', ['--at', now, '--to', 'never_made'], env);
    assert.equal(without.code, 2, without.stderr);
    assert.match(without.stderr, /is encrypted, and BACKUP_AGE_IDENTITY is not set/);
    const other = { ...env, BACKUP_AGE_IDENTITY: ageKeyPair().identity };
    const wrong = await runVerb('restore', ['--at', now, '--to', 'never_made'], other);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /BACKUP_AGE_IDENTITY|identity/);
    const made = await postgres.sql('postgres', "select from pg_database where datname = 'never_made'");
    assert.equal(made.length, 0);
    if (env.BACKUP_DIR === undefined) return;
    const plain = filesIn(env.BACKUP_DIR).filter((name) => /\.(gz|zst|tar)$/.test(name));
    assert.deepEqual(plain, [], 'nothing is stored as it is');
  }

  /** What an image's newer node has stored is read by an older one too, and the other way round. */
  async function restoresFromZstd(env: Record<string, string>, now: string): Promise<void> {
    const folder = env.BACKUP_DIR ?? '';
    const packed = filesIn(folder).filter((name) => /^wal\/.*\.(gz|zst)$/.test(name));
    assert.ok(packed.length > 0);
    for (const name of packed) {
      const bytes = readFileSync(join(folder, name));
      const isZstd = name.endsWith('.zst');
      const maxBuffer = 2 ** 26;
      const raw = isZstd ? execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer }) : gunzipSync(bytes);
      const [command, ending] = isZstd ? (['gzip', '.gz'] as const) : (['zstd', '.zst'] as const);
      writeFileSync(
        join(folder, name.replace(/\.(gz|zst)$/, ending)),
        execFileSync(command, ['-1c'], { input: raw, maxBuffer }),
      );
      rmSync(join(folder, name));
    }
    const to = postgres.freshName();
    const restored = await runVerb('restore', ['--at', now, '--to', to], env);
    assert.equal(restored.code, 0, restored.stderr);
    const [{ n }] = await postgres.sql(to, 'select count(*)::int as n from ledger');
    assert.equal(n, 1000);
  }
});
