import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';

const run = promisify(execFile);
const IMAGE = 'rclone/rclone:1.76';
const READY_WITHIN_MS = 60_000;

export interface Rclone {
  readonly settings: S3Settings & { endpoint: string; accessKey: string; secretKey: string };
  /** Every file behind it, as paths from the remote's root. */
  files(): Promise<string[]>;
  /** As a machine that loses power: its next start serves the same files. */
  kill(): Promise<void>;
  /** @returns its settings from now on: Docker gives it another port */
  restart(): Promise<Rclone['settings']>;
  stop(): Promise<void>;
}

/** `rclone serve s3` of the test's own in front of a file system, which stands for every remote that rclone knows. */
export async function startRclone(): Promise<Rclone> {
  const accessKey = `test${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const name = `rclone-test-${randomBytes(6).toString('hex')}`;
  const stop = async () => {
    await run('docker', ['rm', '--force', '--volumes', name]);
  };
  await run('docker', [
    ...['run', '--detach', '--name', name, '--publish', '127.0.0.1::8080'],
    ...['--env', 'RCLONE_CONFIG_DISK_TYPE=local', IMAGE],
    ...['serve', 's3', '--addr', ':8080', '--auth-key', `${accessKey},${secretKey}`, 'disk:/data'],
  ]);
  /** Waits until it answers, and for its bucket. */
  async function reached(): Promise<Rclone['settings']> {
    const { stdout } = await run('docker', ['port', name, '8080/tcp']);
    const endpoint = `http://127.0.0.1:${stdout.trim().split(':').at(-1)}`;
    const region = 'us-east-1';
    const client = new S3Client({
      ...{ endpoint, region, forcePathStyle: true, maxAttempts: 1 },
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
    await ready(() =>
      client.send(new CreateBucketCommand({ Bucket: 'backups' })).catch((error: { name: string }) => {
        if (!/BucketAlready/.test(error.name)) throw error;
      }),
    ).finally(() => client.destroy());
    return { endpoint, region, bucket: 'backups', accessKey, secretKey };
  }
  try {
    return {
      settings: await reached(),
      async files() {
        const { stdout } = await run('docker', ['exec', name, 'find', '/data', '-type', 'f']);
        return stdout
          .split('\n')
          .filter((line) => line !== '')
          .map((path) => path.slice('/data/'.length))
          .sort();
      },
      async kill() {
        await run('docker', ['kill', name]);
      },
      async restart() {
        await run('docker', ['start', name]);
        return reached();
      },
      stop,
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
