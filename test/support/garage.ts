import { randomBytes } from 'node:crypto';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';
import { startContainer, untilReady } from './container.ts';

const IMAGE = 'dxflrs/garage:v2.4.1';

export type Permission = 'read' | 'write' | 'owner';

export interface Garage {
  readonly settings: S3Settings & { accessKey: string; secretKey: string };
  /** A new key with these permissions for the bucket, and no others. */
  keyWith(...permissions: Permission[]): Promise<{ accessKey: string; secretKey: string }>;
  stop(): Promise<void>;
}

/** A Garage of the test's own. */
export async function startGarage(): Promise<Garage> {
  const accessKey = `GK${randomBytes(12).toString('hex')}`;
  const secretKey = randomBytes(32).toString('hex');
  const bucket = 'backups';
  const recipe = {
    ...{ name: 'garage', image: IMAGE, port: 3900 },
    env: {
      GARAGE_DEFAULT_ACCESS_KEY: accessKey,
      GARAGE_DEFAULT_SECRET_KEY: secretKey,
      GARAGE_DEFAULT_BUCKET: bucket,
      GARAGE_RPC_SECRET: randomBytes(32).toString('hex'),
    },
    command: ['/garage', 'server', '--single-node', '--default-bucket'],
    files: { folder: '/etc', tar: tarOf('garage.toml', Buffer.from(CONFIGURATION)) },
  };
  return startContainer(recipe, async (container) => {
    const garage = (...words: string[]) => container.exec('/garage', ...words);
    await untilReady(() => garage('bucket', 'info', bucket));
    const endpoint = `http://127.0.0.1:${await container.port()}`;
    return {
      settings: { endpoint, region: 'garage', bucket, accessKey, secretKey },
      async keyWith(...permissions) {
        const created = await garage('key', 'create', `test-${randomBytes(4).toString('hex')}`);
        const id = /GK[0-9a-f]{24}/.exec(created.stdout)?.[0] ?? '';
        const secret = /\b[0-9a-f]{64}\b/.exec(created.stdout)?.[0] ?? '';
        await garage('bucket', 'allow', ...permissions.map((permission) => `--${permission}`), bucket, '--key', id);
        return { accessKey: id, secretKey: secret };
      },
      stop: container.stop,
    };
  });
}

const CONFIGURATION = `metadata_dir = "/var/lib/garage/meta"
data_dir = "/var/lib/garage/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "[::]:3901"
rpc_public_addr = "127.0.0.1:3901"
[s3_api]
s3_region = "garage"
api_bind_addr = "[::]:3900"
root_domain = ".s3.garage.localhost"
`;

/** An archive of one small file, as `docker cp -` reads it. */
function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)]);
}
