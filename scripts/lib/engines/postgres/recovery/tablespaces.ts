import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';
import { assertSucceeded } from '../../../pipeline/result.ts';
import type { Recovered } from './recover.ts';
import { tablespaceFolder } from './unpack.ts';

interface Tablespace {
  readonly oid: string;
  readonly location: string;
}

/** A tablespace that was restored lies in a folder of its own, so that what was there is kept. */
const RESTORED = /\/restored_\d{14}$/;
const rootOf = ({ location }: Tablespace) => location.replace(RESTORED, '');

/**
 * A server finds its tablespaces by their paths: they have to be the same here.
 * @throws OperatorError RESTORE_REFUSED with those that are not there
 */
export function assertTablespaces(tablespaces: readonly Tablespace[]): void {
  const missing = tablespaces.map(rootOf).filter((path) => !existsSync(path));
  if (missing.length === 0) return;
  throw new OperatorError(
    'RESTORE_REFUSED',
    `the server has tablespaces in folders that are not here: ${missing.join(', ')}`,
    {
      hint: `Mount them at the paths that the server has: docker compose run --volume <volume>:${missing[0]} … Nothing was fetched or touched.`,
    },
  );
}

/** Moves the tablespaces of a recovered server, which is shut down, to where it will find them. */
export async function placeTablespaces(
  { directory, data }: Pick<Recovered, 'directory' | 'data'>,
  tablespaces: readonly Tablespace[],
  { at, owner, signal }: { at: Date; owner: { uid: number; gid: number } | undefined; signal: AbortSignal },
): Promise<void> {
  const links = new Set(readdirSync(join(data, 'pg_tblspc')));
  for (const tablespace of tablespaces) {
    // dropped since the base
    if (!links.has(tablespace.oid)) continue;
    const to = join(rootOf(tablespace), `restored_${at.toISOString().replace(/\D/g, '').slice(0, 14)}`);
    const from = tablespaceFolder(directory, tablespace.oid);
    // it may lie in another file system
    const moved = [{ name: 'mv', command: 'mv', args: ['--no-target-directory', from, to] }];
    if (owner !== undefined && process.getuid?.() === 0)
      moved.push({ name: 'chown', command: 'chown', args: ['--recursive', `${owner.uid}:${owner.gid}`, to] });
    for (const stage of moved) assertSucceeded([await runProgram(stage, { signal })]);
    const link = join(data, 'pg_tblspc', tablespace.oid);
    rmSync(link, { force: true });
    symlinkSync(to, link);
  }
}
