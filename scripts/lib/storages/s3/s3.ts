import { OperatorError } from '../../errors.ts';
import { assertKey, assertPrefix } from '../keys.ts';
import type { Storage } from '../storage.ts';
import { openClients, type S3Settings } from './client.ts';
import type { S3Context } from './context.ts';
import type { S3Features } from './features.ts';
import { getObject } from './get.ts';
import { listObjects } from './list.ts';
import { lockOf, probe } from './lock.ts';
import { DEFAULT_MEMORY_BUDGET_BYTES, planUpload } from './part-size.ts';
import { put } from './put.ts';
import { removeObjects, removeUploads } from './remove.ts';
import { rewritten, versionsAt } from './versions.ts';

export type { S3Settings } from './client.ts';

/**
 * A bucket of any S3-compatible store. Nothing is connected to yet.
 * @throws OperatorError CONFIG for an endpoint that is no URL, or half of a key pair
 */
export function openS3(settings: S3Settings): Storage {
  const clients = openClients(settings);
  const context: S3Context = { clients, bucket: settings.bucket };
  const { lock, storageClass } = settings;
  // with a lock, every store wants to know what it is to hold
  const features: S3Features = { conditional: true, md5: lock !== undefined, looks: true, streams: true };

  const storage: Storage = {
    description: `s3://${settings.bucket} at ${clients.endpoint}`,

    async put(key, body, { expectedBytes, contentType, atOnce = 1, isReadAtOnce = false, ...rest } = {}) {
      assertKey(key);
      const plan = planUpload(expectedBytes, (settings.memoryBudgetBytes ?? DEFAULT_MEMORY_BUDGET_BYTES) / atOnce);
      const kept = isReadAtOnce || contentType === 'application/json' ? undefined : storageClass;
      const object = { context, features, key, contentType, storageClass: kept, lock, signal: rest.signal };
      return put(object, body, plan, rest);
    },

    async get(key, options = {}) {
      assertKey(key);
      return getObject(context, key, options);
    },

    async *list(prefix, options = {}) {
      assertPrefix(prefix);
      yield* listObjects(context, prefix, options);
    },

    async remove(keys, { signal } = {}) {
      for (const key of keys) assertKey(key);
      return removeObjects(context, keys, signal);
    },

    async removeUnfinished(prefix, which, { signal } = {}) {
      assertPrefix(prefix);
      return removeUploads(context, prefix, which, signal);
    },

    async probe(key, { signal } = {}) {
      assertKey(key);
      return probe(context, key, { features, lock, signal });
    },

    async lockOf(key, { signal } = {}) {
      assertKey(key);
      return lockOf(context, key, signal);
    },

    rewritten: (prefix, { signal } = {}) => rewritten(context, prefix, signal),

    asOf: (time) => asOf(storage, context, time),

    close: clients.close,
  };
  return storage;
}

/** See Storage.asOf. */
function asOf(now: Storage, context: S3Context, time: Date): Storage {
  // a listing comes before what is read of it; without one the key is looked up
  const known = new Map<string, string>();
  const at = async (prefix: string, signal: AbortSignal | undefined) => {
    const found = await versionsAt(context, prefix, time, signal);
    for (const { key, id } of found) known.set(key, id);
    return found;
  };
  return {
    description: `${now.description} as of ${time.toISOString()}`,
    put: now.put,
    probe: now.probe,
    async get(key, { range, signal } = {}) {
      assertKey(key);
      if (!known.has(key)) await at(key, signal);
      const versionId = known.get(key);
      if (versionId === undefined)
        throw new OperatorError('NO_SUCH_BACKUP', `there was no ${key} in s3://${context.bucket} at that time`);
      return getObject(context, key, { range, signal, versionId });
    },
    async *list(prefix, { signal } = {}) {
      assertPrefix(prefix);
      for (const { key, sizeBytes } of await at(prefix, signal)) yield { key, sizeBytes };
    },
    async remove(keys) {
      return keys.map((key) => ({ key, reason: 'nothing of the past can be removed' }));
    },
    removeUnfinished: async () => [],
    close: now.close,
  };
}
