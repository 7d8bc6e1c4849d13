import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';
import { startContainer, untilReady } from './container.ts';

const IMAGE = 'minio/minio:RELEASE.2025-09-07T16-13-09Z';

export interface Minio {
  readonly settings: S3Settings & { endpoint: string; accessKey: string; secretKey: string };
  /** A bucket, with object lock and so with versions unless said otherwise, and by what it locks of itself. */
  bucket(name: string, options?: { lock?: boolean; defaultDays?: number }): Promise<S3Settings>;
  /** As an intruder with the machine's own keys has it. */
  readonly client: S3Client;
  /** How many versions and markers a bucket has. */
  versions(bucket: string): Promise<{ versions: number; markers: number }>;
  stop(): Promise<void>;
}

/** A MinIO of the test's own. */
export async function startMinio(): Promise<Minio> {
  const accessKey = `test${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const recipe = {
    ...{ name: 'minio', image: IMAGE, port: 9000, command: ['server', '/data'] },
    env: { MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey },
  };
  return startContainer(recipe, async (container) => {
    const endpoint = `http://127.0.0.1:${await container.port()}`;
    const settings = { endpoint, region: 'us-east-1', bucket: 'backups', accessKey, secretKey };
    const client = clientOf(settings);
    await untilReady(() => client.send(new ListBucketsCommand({})));
    return {
      settings,
      client,
      async bucket(bucket, { lock = true, defaultDays } = {}) {
        await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: lock }));
        if (defaultDays !== undefined) {
          const Rule = { DefaultRetention: { Mode: 'COMPLIANCE', Days: defaultDays } } as const;
          await client.send(
            new PutObjectLockConfigurationCommand({
              Bucket: bucket,
              ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule },
            }),
          );
        }
        return { ...settings, bucket };
      },
      async versions(bucket) {
        const { Versions = [], DeleteMarkers = [] } = await client.send(
          new ListObjectVersionsCommand({ Bucket: bucket }),
        );
        return { versions: Versions.length, markers: DeleteMarkers.length };
      },
      async stop() {
        client.destroy();
        await container.stop();
      },
    };
  });
}

/** A client that is none of ours. */
export function clientOf({ endpoint, region, accessKey, secretKey }: Minio['settings']): S3Client {
  return new S3Client({
    ...{ endpoint, region, forcePathStyle: true, maxAttempts: 1 },
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
}
