import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { openS3, type S3Settings } from '../../scripts/lib/storages/s3/s3.ts';
import { collect } from '../support/bytes.ts';
import { listUnfinished } from '../support/s3-by-hand.ts';
import type { Environment } from './verbs.ts';

/** The objects of a storage by their keys. */
export type Objects = ReadonlyMap<string, Buffer>;

/** A case's own place in a storage, seen without the faults that the verbs meet. */
export interface Place {
  /** What leads a verb to it; through another address where a proxy stands in between. */
  env(endpoint?: string): Environment;
  write(objects: Objects): Promise<void>;
  keys(): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  /** Uploads that were begun and neither finished nor ended. */
  unfinished(): Promise<string[]>;
  /** Removes everything of it. */
  clear(): Promise<void>;
}

const UNFINISHED = '.incomplete';

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

export function directoryPlace(folder: string): Place {
  mkdirSync(folder, { recursive: true });
  return {
    env: () => ({ BACKUP_DIR: folder }),
    write: async (objects) => {
      for (const [key, bytes] of objects) {
        mkdirSync(dirname(join(folder, key)), { recursive: true });
        writeFileSync(join(folder, key), bytes);
      }
    },
    keys: async () => filesBelow(folder).filter((key) => !key.startsWith(`${UNFINISHED}/`)),
    read: async (key) => readFileSync(join(folder, key)),
    unfinished: async () =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.startsWith(`${UNFINISHED}/`))
        .map((name) => relative(folder, join(folder, name))),
    // goes with its folder
    clear: async () => {},
  };
}

/** A prefix of a bucket. Its keys are told without the prefix. */
export function s3Place(settings: S3Settings & { accessKey: string; secretKey: string }, prefix: string): Place {
  const storage = openS3(settings);
  const keys = async () => {
    const found: string[] = [];
    for await (const { key } of storage.list(`${prefix}/`)) found.push(key);
    return found;
  };
  const access = { ...settings, endpoint: settings.endpoint ?? '' };
  const bare = (key: string) => key.slice(prefix.length + 1);
  return {
    env: (endpoint = settings.endpoint ?? '') => ({
      S3_ENDPOINT: endpoint,
      S3_REGION: settings.region,
      S3_BUCKET: settings.bucket,
      S3_ACCESS_KEY: settings.accessKey,
      S3_SECRET_KEY: settings.secretKey,
      S3_PREFIX: prefix,
    }),
    write: async (objects) => {
      for (const [key, bytes] of objects) {
        await storage.put(
          `${prefix}/${key}`,
          (async function* () {
            yield bytes;
          })(),
        );
      }
    },
    keys: async () => (await keys()).map(bare),
    read: async (key) => collect(await storage.get(`${prefix}/${key}`)),
    unfinished: async () => (await listUnfinished(access)).filter((key) => key.startsWith(`${prefix}/`)).map(bare),
    clear: async () => {
      await storage.remove(await keys());
      storage.close();
    },
  };
}
