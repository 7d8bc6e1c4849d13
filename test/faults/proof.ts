import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import type { Backup } from '../../scripts/lib/repository/catalog.ts';
import type { Objects } from './stores.ts';

/**
 * The plain SQL of a backup, made of its objects by nothing but the tools that their names tell.
 * @param identity the secret key of what is encrypted
 */
export async function plainDump(backup: Backup, objects: Objects, identity: string | undefined): Promise<Buffer> {
  const keys = backup.parts.length > 0 ? backup.parts.map(({ key }) => key).sort() : [backup.key];
  const plain = keys.map((key) => unpacked(key, objects.get(key) ?? Buffer.alloc(0), identity));
  const dump = Buffer.concat(plain);
  if (backup.format !== 'custom') return dump;
  const [program] = await findPrograms('pg_restore');
  return pipe(program?.path ?? 'pg_restore', ['--file=-'], dump);
}

function unpacked(key: string, stored: Buffer, identity: string | undefined): Buffer {
  let bytes = stored;
  let name = key;
  if (name.endsWith('.age')) {
    bytes = decrypted(bytes, identity ?? '');
    name = name.slice(0, -'.age'.length);
  }
  if (name.endsWith('.gz')) return gunzipSync(bytes);
  return name.endsWith('.zst') ? pipe('zstd', ['--decompress', '--stdout', '--quiet'], bytes) : bytes;
}

function decrypted(bytes: Buffer, identity: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'faults-identity-'));
  try {
    writeFileSync(join(folder, 'identity'), identity, { mode: 0o600 });
    return pipe('age', ['--decrypt', '--identity', join(folder, 'identity')], bytes);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pipe(command: string, args: string[], input: Buffer): Buffer {
  return execFileSync(command, args, { input, maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'pipe'] });
}
