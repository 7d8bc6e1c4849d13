import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

const DAMAGES = {
  'cut short': (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2)),
  'without its last byte': (bytes: Buffer) => bytes.subarray(0, -1),
  'changed in one byte': (bytes: Buffer) => {
    const changed = Buffer.from(bytes);
    const at = Math.floor(bytes.length / 2);
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    return changed;
  },
  empty: () => Buffer.alloc(0),
  'something else': () => Buffer.from('<html>404 Not Found</html>\n'),
} as const;

const KINDS = [
  { format: 'sql', compression: 'gzip', hasChecksum: true },
  { format: 'sql', compression: 'zstd', hasChecksum: true },
  { format: 'sql', compression: 'none', hasChecksum: false },
  // its blocks have checksums, its table of contents has none
  { format: 'custom', compression: 'gzip', hasChecksum: false },
] as const;

describe('a damaged backup is refused, and the live database stays', { skip: missing, concurrency: 3 }, () => {
  for (const { format, compression, hasChecksum } of KINDS) {
    test(`${format}, ${compression}`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const folder = temporaryFolder();
      const env = {
        ...postgres.env(database),
        BACKUP_DIR: folder,
        BACKUP_FORMAT: format,
        BACKUP_COMPRESSION: compression,
      };
      const backup = await runVerb('backup', ['--json'], env);
      assert.equal(backup.code, 0, backup.stderr);
      const { key } = backup.json.results[0];
      const path = join(folder, key);
      const whole = readFileSync(path);
      const before = await postgres.fingerprint(database);

      const refused = async (what: string, codes: readonly string[]) => {
        const restore = await runVerb('restore', [key, '--json'], env);
        const told = `${what}: ${restore.stderr}`;
        assert.equal(restore.code, 1, told);
        assert.ok(codes.includes(restore.json.error.code), told);
        assert.ok(restore.json.error.hint.length > 20, told);
        assert.deepEqual(await postgres.fingerprint(database), before, told);
        assert.deepEqual(await postgres.beside(database), [database], told);
      };
      for (const damage of ['without its last byte', 'changed in one byte', 'empty'] as const) {
        writeFileSync(path, DAMAGES[damage](whole));
        await refused(`${damage}, with a manifest`, ['BACKUP_DAMAGED']);
      }
      rmSync(path.replace(/\.(sql|dump)[.a-z]*$/, '.json'));
      for (const [damage, damaged] of Object.entries(DAMAGES)) {
        // without manifest and checksum nobody can know
        if (damage === 'changed in one byte' && !hasChecksum) continue;
        writeFileSync(path, damaged(whole));
        await refused(`${damage}, without a manifest`, ['BACKUP_DAMAGED', 'RESTORE_FAILED', 'DUMP_INCOMPLETE']);
      }
      writeFileSync(path, whole);
      assert.equal((await runVerb('restore', [key], env)).code, 0);
    });
  }
});
