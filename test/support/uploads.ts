import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { temporaryFolder } from './folders.ts';
import { type Running, type SessionProcess, until, untilStill } from './verbs.ts';

/** A command as a user that may nothing. */
export const UNPRIVILEGED = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
/** Mounts the folder onto itself, as a container has it, for the command that follows. */
export const mounted = (folder: string, ...options: string[]) => [
  'unshare',
  '--mount',
  'bash',
  '-c',
  `mount --bind "$0" "$0" && ${options.map((option) => `mount -o remount,bind,${option} "$0" && `).join('')} exec "$@"`,
  folder,
];

/** A folder to back up, a storage, and what leads a verb to them. @param query of the source's URL */
export function uploads(query = '') {
  const data = temporaryFolder();
  chmodSync(data, 0o755);
  const live = join(data, 'uploads');
  mkdirSync(live);
  const backups = temporaryFolder();
  chmodSync(backups, 0o777);
  const env: Record<string, string> = {
    BACKUP_SOURCE_UPLOADS: `file://${live}${query}`,
    BACKUP_DIR: backups,
    // one drill at a time runs in a folder
    DRILL_DIR: temporaryFolder(),
  };
  return { data, live, backups, env };
}

/** The tar that reads or writes files, as soon as it runs. */
export function tarOf(running: Running, does: '--create' | '--extract'): Promise<SessionProcess> {
  return until(`tar runs with ${does}`, () =>
    running.processes().find(({ name, commandLine }) => name === 'tar' && commandLine.includes(does)),
  );
}

/** The compressor takes nothing until it is let go: whatever is larger than the pipes before it stays half read. */
export function heldCompressor(env: Record<string, string>) {
  const folder = temporaryFolder();
  const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
  const real = execFileSync('bash', ['-c', 'type -P zstd'], { encoding: 'utf8' }).trim();
  writeFileSync(
    join(folder, 'zstd'),
    `#!/bin/sh\ntouch '${begun}'\nwhile [ ! -e '${go}' ]; do sleep 0.05; done\nexec ${real} "$@"\n`,
    { mode: 0o755 },
  );
  return {
    env: { ...env, PATH: `${folder}:${process.env.PATH}` },
    /** Of the tar before it. */
    reached: async (tar: SessionProcess) => {
      await until('the compressor runs', () => existsSync(begun) || undefined);
      const written = () => Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${tar.pid}/io`, 'utf8'))?.[1]);
      await until('tar writes', () => written() > 0 || undefined);
      await untilStill('the pipes fill', written);
    },
    release: () => writeFileSync(go, ''),
  };
}

/** The folder's own time goes with what is made and removed in it. */
export const withoutRoot = (listing: string) =>
  listing
    .split('\n')
    .filter((line) => !line.startsWith('|d|'))
    .join('\n');

/** Rewrites what was stored, and the manifest so that size and digest fit: damage that only a restore brings to light. */
export function forge(backups: string, key: string, bytes: Uint8Array): void {
  const path = join(backups, key.replace(/\.tar.*$/, '.json'));
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  manifest.objects = [
    {
      name: manifest.objects[0]?.name ?? '',
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
  ];
  writeFileSync(join(backups, key), bytes);
  writeFileSync(path, JSON.stringify(manifest));
}
