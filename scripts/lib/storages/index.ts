import { limited, rateLimit } from './rate-limit.ts';
import type { S3Settings } from './s3/s3.ts';
import type { KnownBody, Storage } from './storage.ts';

export type StorageSettings = { kind: 'directory'; path: string } | ({ kind: 's3' } & S3Settings);

/** Every storage there is. Each is loaded only when used: the AWS SDK alone takes 0.2 s and 30 MB. */
const STORAGES = {
  directory: async ({ path }) => (await import('./directory/directory.ts')).openDirectory(path),
  s3: async (settings) => (await import('./s3/s3.ts')).openS3(settings),
} satisfies {
  [Kind in StorageSettings['kind']]: (settings: Extract<StorageSettings, { kind: Kind }>) => Promise<Storage>;
};

/**
 * Opens the storage that the settings name. Nothing is connected to yet.
 * @param uploadBytesPerSecond what all uploads of this process together may take; undefined for as much as there is
 * @throws OperatorError CONFIG for settings that cannot work
 */
export async function openStorage(settings: StorageSettings, uploadBytesPerSecond?: number): Promise<Storage> {
  // one branch per kind, for the compiler cannot follow a lookup in a table of functions
  const storage = await (settings.kind === 'directory' ? STORAGES.directory(settings) : STORAGES.s3(settings));
  if (uploadBytesPerSecond === undefined) return storage;
  const limit = rateLimit(uploadBytesPerSecond);
  return {
    ...storage,
    put(key, body, options = {}) {
      const { known, signal } = options;
      const open = async (known: KnownBody) => limited(await known.open(), limit, signal);
      return storage.put(key, limited(body, limit, signal), {
        ...options,
        known: known && { ...known, open: () => open(known) },
      });
    },
  };
}
