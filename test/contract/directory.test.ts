import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDirectory } from '../../scripts/lib/storages/directory/directory.ts';
import { storageContract } from './storage.ts';

for (const hardLinks of [true, false]) {
  storageContract(
    hardLinks ? 'a directory' : 'a directory without hard links',
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'storage-'));
      return { storage: openDirectory(path, { hardLinks }), close: () => rm(path, { recursive: true }) };
    },
    { refusesOverwrite: true },
  );
}
