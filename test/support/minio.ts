import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  ListBucketsCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';

const run = promisify(execFile);
const IMAGE = 'minio/minio:RELEASE.2025-09-07T16-13-09Z';
const READY_WITHIN_MS = 60_000;

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

/** A MinIO of the test's own, on a free port of this machine alone. */
export async function startMinio(): Promise<Minio> {
  const accessKey = `test${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const name = `minio-test-${randomBytes(6).toString('hex')}`;
  const stop = async () => {
    await run('docker', ['rm', '--force', '--volumes', name]);
  };
  await run('docker', [
    ...['run', '--detach', '--name', name, '--publish', '127.0.0.1::9000'],
    ...['--env', `MINIO_ROOT_USER=${accessKey}`, '--env', `MINIO_ROOT_PASSWORD=${secretKey}`],
    ...[IMAGE, 'server', '/data'],
  ]);
  try {
    const { stdout } = await run('docker', ['port', name, '9000/tcp']);
    const endpoint = `http://127.0.0.1:${stdout.trim().split(':').at(-1)}`;
    const region = 'us-east-1';
    const client = new S3Client({
      ...{ endpoint, region, forcePathStyle: true, maxAttempts: 1 },
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
    await ready(() => client.send(new ListBucketsCommand({})));
    const settings = { endpoint, region, bucket: 'backups', accessKey, secretKey };
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
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ready(probe: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + READY_WITHIN_MS; ; ) {
    try {
      await probe();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(300);
    }
  }
}
