import { randomBytes } from 'node:crypto';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { startContainer, untilReady } from './container.ts';
import { clientOf, type Minio } from './minio.ts';

const IMAGE = 'rclone/rclone:1.76';

export interface Rclone {
  readonly settings: Minio['settings'];
  /** Every file behind it, as paths from the remote's root. */
  files(): Promise<string[]>;
  /** As a machine that loses power: its next start serves the same files. */
  kill(): Promise<void>;
  /** How it is reached then: Docker chooses another port. */
  restart(): Promise<Minio['settings']>;
  stop(): Promise<void>;
}

/** `rclone serve s3` of the test's own in front of a file system, which stands for every remote that rclone knows. */
export async function startRclone(): Promise<Rclone> {
  const accessKey = `test${randomBytes(8).toString('hex')}`;
  const secretKey = randomBytes(20).toString('hex');
  const recipe = {
    ...{ name: 'rclone', image: IMAGE, port: 8080, env: { RCLONE_CONFIG_DISK_TYPE: 'local' } },
    command: ['serve', 's3', '--addr', ':8080', '--auth-key', `${accessKey},${secretKey}`, 'disk:/data'],
  };
  return startContainer(recipe, async (container) => {
    const bucket = 'backups';
    /** Waits until it answers, and for its bucket. */
    const reached = async () => {
      const endpoint = `http://127.0.0.1:${await container.port()}`;
      const settings = { endpoint, region: 'us-east-1', bucket, accessKey, secretKey };
      const client = clientOf(settings);
      await untilReady(() =>
        client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: { name: string }) => {
          if (!/BucketAlready/.test(error.name)) throw error;
        }),
      ).finally(() => client.destroy());
      return settings;
    };
    return {
      settings: await reached(),
      async files() {
        const { stdout } = await container.exec('find', '/data', '-type', 'f');
        return stdout
          .split('\n')
          .filter((line) => line !== '')
          .map((path) => path.slice('/data/'.length))
          .sort();
      },
      kill: container.kill,
      async restart() {
        await container.start();
        return reached();
      },
      stop: container.stop,
    };
  });
}
