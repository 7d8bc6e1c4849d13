import { readFileSync } from 'node:fs';
import type { Contents, Manifest } from '../../repository/manifest.ts';
import { log } from '../../terminal/log.ts';

const CAP_CHOWN = 1n << 0n;

/** Whether this process may give files to others: root may, unless the container took that right from it. */
export function maySetOwners(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return effective === undefined || (BigInt(`0x${effective}`) & CAP_CHOWN) !== 0n;
  } catch {
    return true;
  }
}

/** Says whose files are now somebody else's. */
export function warnOfOwners(manifest: Manifest | undefined, found: Contents, where: string): void {
  if (maySetOwners() || manifest?.ownerDigest === undefined || manifest.ownerDigest === found.ownerDigest) return;
  const list = ({ owners = [] }: Pick<Contents, 'owners'>) =>
    owners.map(({ owner, entries }) => `${owner} (${entries})`).join(', ');
  log.warn(
    `owners could not be set, as this is not root: in the backup, uid:gid are ${list(manifest)}; in ${where} they are ${list(found)}. chown what needs it, or restore as root`,
  );
}
