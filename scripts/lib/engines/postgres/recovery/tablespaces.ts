import { existsSync, lstatSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
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
export function assertTablespaces(
  tablespaces: readonly Tablespace[],
  untouched = 'Nothing was fetched or touched.',
): void {
  const missing = tablespaces.map(rootOf).filter((path) => !existsSync(path));
  if (missing.length === 0) return;
  throw new OperatorError(
    'RESTORE_REFUSED',
    `the server has tablespaces in folders that are not here: ${missing.join(', ')}`,
    {
      hint: `Mount them at the paths that the server has: docker compose run --volume <volume>:${missing[0]} … ${untouched}`,
    },
  );
}

/**
 * Every tablespace of a recovered server, with the folder that it has on the source.
 * @param ofBase those of its base
 */
export function tablespacesOf(
  { data, madeTablespaces }: Pick<Recovered, 'data' | 'madeTablespaces'>,
  ofBase: readonly Tablespace[],
): Tablespace[] {
  const all = new Map([...madeTablespaces, ...ofBase].map((each) => [each.oid, each]));
  // some were dropped since
  const there = new Set(readdirSync(join(data, 'pg_tblspc')));
  return [...all.values()].filter(({ oid }) => there.has(oid));
}

/** Moves the tablespaces of a recovered server, which is shut down, to where it will find them. */
export async function placeTablespaces(
  { directory, data }: Pick<Recovered, 'directory' | 'data'>,
  tablespaces: readonly Tablespace[],
  { at, owner, signal }: { at: Date; owner: { uid: number; gid: number } | undefined; signal: AbortSignal },
): Promise<void> {
  for (const tablespace of tablespaces) {
    const to = join(rootOf(tablespace), `restored_${at.toISOString().replace(/\D/g, '').slice(0, 14)}`);
    const link = join(data, 'pg_tblspc', tablespace.oid);
    // one that the log has made lies where the others have their links
    const from = lstatSync(link).isDirectory() ? link : tablespaceFolder(directory, tablespace.oid);
    // it may lie in another file system
    const moved = [{ name: 'mv', command: 'mv', args: ['--no-target-directory', from, to] }];
    if (owner !== undefined && process.getuid?.() === 0)
      moved.push({ name: 'chown', command: 'chown', args: ['--recursive', `${owner.uid}:${owner.gid}`, to] });
    for (const stage of moved) assertSucceeded([await runProgram(stage, { signal })]);
    rmSync(link, { force: true });
    symlinkSync(to, link);
  }
}
