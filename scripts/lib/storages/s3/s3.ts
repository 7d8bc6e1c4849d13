import { assertKey, assertPrefix } from '../keys.ts';
import { MeasuredBody } from '../measured-body.ts';
import type { Storage } from '../storage.ts';
import { openClients, type S3Settings } from './client.ts';
import type { S3Context } from './context.ts';
import type { S3Features } from './features.ts';
import { getObject } from './get.ts';
import { listObjects } from './list.ts';
import { DEFAULT_MEMORY_BUDGET_BYTES, planUpload } from './part-size.ts';
import { uploadCalls } from './put.ts';
import { removeObjects, removeUploads } from './remove.ts';
import { upload } from './upload.ts';

export type { S3Settings } from './client.ts';

/**
 * A bucket of any S3-compatible store. Nothing is connected to yet.
 * @throws OperatorError CONFIG for an endpoint that is no URL, or half of a key pair
 */
export function openS3(settings: S3Settings): Storage {
  const clients = openClients(settings);
  const context: S3Context = { clients, bucket: settings.bucket };
  const features: S3Features = { conditional: true, md5: false, looks: true };

  return {
    description: `s3://${settings.bucket} at ${clients.endpoint}`,

    async put(key, body, { expectedBytes, contentType, atOnce = 1, signal } = {}) {
      const measured = new MeasuredBody(body, signal);
      try {
        assertKey(key);
        const plan = planUpload(expectedBytes, (settings.memoryBudgetBytes ?? DEFAULT_MEMORY_BUDGET_BYTES) / atOnce);
        await upload(
          measured,
          uploadCalls({ context, features, key, contentType, storageClass: settings.storageClass, signal }),
          plan,
        );
        return measured.result();
      } finally {
        await measured.close();
      }
    },

    async get(key, { signal } = {}) {
      assertKey(key);
      return getObject(context, key, { signal });
    },

    async *list(prefix, { signal } = {}) {
      assertPrefix(prefix);
      yield* listObjects(context, prefix, signal);
    },

    async remove(keys, { signal } = {}) {
      for (const key of keys) assertKey(key);
      return removeObjects(context, keys, signal);
    },

    async removeUnfinished(prefix, which, { signal } = {}) {
      assertPrefix(prefix);
      return removeUploads(context, prefix, which, signal);
    },

    close: clients.close,
  };
}
