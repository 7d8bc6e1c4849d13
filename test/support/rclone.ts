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
  restart(): Promise<void>;
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
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  await run('docker', [
    ...['run', '--detach', '--name', name, '--publish', `127.0.0.1:${port}:8080`],
    ...['--env', 'RCLONE_CONFIG_DISK_TYPE=local', IMAGE],
    ...['serve', 's3', '--addr', ':8080', '--auth-key', `${accessKey},${secretKey}`, 'disk:/data'],
  ]);
  const settings = {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    bucket: 'backups',
    accessKey,
    secretKey,
  };
  const client = new S3Client({
    ...{ endpoint: settings.endpoint, region: settings.region, forcePathStyle: true, maxAttempts: 1 },
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
  const makeBucket = () =>
    ready(() =>
      client.send(new CreateBucketCommand({ Bucket: 'backups' })).catch((error: { name: string }) => {
        if (!/BucketAlready/.test(error.name)) throw error;
      }),
    );
  try {
    await makeBucket();
    return {
      settings,
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
        await makeBucket();
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
