import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ageKeyPair, backUp } from '../support/backups.ts';
import { assertOfOneMoment, type Journal, makeDatabase, sqlite, startWriter } from '../support/sqlite.ts';
import { isRoot } from '../support/trees.ts';
import { mounted, uploads } from '../support/uploads.ts';
import { done, runVerb } from '../support/verbs.ts';

const drilled = async (env: Record<string, string>) => {
  const { json, stderr } = await runVerb('drill', ['--json'], env);
  return {
    ok: json.results[0].ok as boolean,
    stderr,
    check: json.results[0].checks.find(({ name }: { name: string }) => name === 'SQLite databases'),
  };
};

describe('SQLite databases in a folder, while an application writes to them', { concurrency: 2 }, () => {
  for (const [journal, compression] of [
    ['wal', 'zstd'],
    ['delete', 'gzip'],
    ['persist', 'none'],
  ] as [Journal, string][])
    test(`are backed up as of one moment, restored and proved: ${journal}, ${compression}`, async () => {
      const { live, env, data } = uploads(`?compression=${compression}`);
      mkdirSync(join(live, "it's data"));
      const path = join(live, "it's data", 'vault 100% #1?.sqlite3');
      makeDatabase(path, journal);
      writeFileSync(join(live, "it's data", 'vault.txt'), 'beside');
      const keys = ageKeyPair();
      const sealed = { ...env, BACKUP_AGE_RECIPIENTS: keys.recipient, BACKUP_AGE_IDENTITY: keys.identity };
      const writer = await startWriter(path);
      for (const of of compression === 'none' ? [env, sealed] : [env]) {
        const before = writer.orders();
        const { manifest, stderr } = await backUp(of);
        const after = writer.orders();
        assert.ok(after > before, 'the application was not kept from writing for good');
        const [database, ...others] = manifest.sqlite ?? [];
        assert.deepEqual(
          [database?.path, database?.journal, database?.isCopied, database?.problem, others.length],
          ["it's data/vault 100% #1?.sqlite3", journal === 'wal' ? 'wal' : 'rollback', true, undefined, 0],
        );
        assert.match(stderr, /1 SQLite database \(.*\) copied, each as of one moment/);
        const drill = await drilled(of);
        assert.equal(drill.ok, true, drill.stderr);
        assert.match(drill.check.detail, /1 whole, by PRAGMA integrity_check/);
        const { json } = await done('restore', ['latest', '--to', `beside-${of === env}`, '--json'], of);
        const restored = join(json.database, "it's data");
        assert.deepEqual(readdirSync(restored), ['vault 100% #1?.sqlite3', 'vault.txt']);
        const orders = assertOfOneMoment(join(restored, 'vault 100% #1?.sqlite3'));
        assert.ok(orders >= before && orders <= after, `${before} ${orders} ${after}`);
        // as the application left it
        assert.equal(
          sqlite(join(restored, 'vault 100% #1?.sqlite3'), 'PRAGMA journal_mode;') === 'wal',
          journal === 'wal',
        );
        assert.deepEqual(readdirSync(env.DRILL_DIR ?? ''), [], 'nothing stays where the copies were');
      }
      await writer.stop();
      assert.deepEqual(
        readdirSync(data).filter((name) => name.includes('restoring')),
        [],
      );
    });

  for (const journal of ['wal', 'delete'] as const)
    test(`on what is mounted read-only is whole in the backup, with an application and without: ${journal}`, {
      skip: !isRoot && 'wants root',
    }, async () => {
      const { live, env } = uploads();
      const path = join(live, 'home-assistant.db');
      makeDatabase(path, journal);
      const through = mounted(live, 'ro');
      const writer = await startWriter(path);
      const before = writer.orders();
      await done('backup', [], env, { through });
      await writer.stop();
      const first = await done('restore', ['latest', '--to', 'first', '--json'], env);
      assert.ok(assertOfOneMoment(join(first.json.database, 'home-assistant.db')) >= before);
      // what it wrote last lies in a log that nobody has gone through, or is to be taken back by a journal
      await done('backup', [], env, { through });
      const second = await done('restore', ['latest', '--to', 'second', '--json'], env);
      const found = assertOfOneMoment(join(second.json.database, 'home-assistant.db'));
      assert.equal(found, assertOfOneMoment(path), 'what the killed application had committed');
      // and once that has been gone through, with nothing beside it; a journal that was hardly begun goes with the next write
      sqlite(path, 'PRAGMA user_version = 1;');
      assert.deepEqual(readdirSync(live), ['home-assistant.db']);
      await done('backup', [], env, { through });
      const third = await done('restore', ['latest', '--to', 'third', '--json'], env);
      assert.equal(assertOfOneMoment(join(third.json.database, 'home-assistant.db')), found);
    });
});
