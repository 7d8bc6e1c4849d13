import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf, messageOf, OperatorError } from '../../../errors.ts';

/**
 * What a restore or an undo leaves around the live folder, and for how long; the last four only while it swaps. See
 * docs/adr/0013-files.md.
 */
const ROLES = ['restoring', 'previous', 'undone', 'picked', 'ready', 'returning', 'outgoing', 'incoming'] as const;
export type Role = (typeof ROLES)[number];

/** Where, in a folder whose own name cannot be exchanged, everything of ours lies. */
export const HIDDEN = '.compose-db-backup';
/** A file system's own, at its root. */
const FILE_SYSTEMS_OWN = 'lost+found';

/** A folder or file that is backed up and restored. */
export interface Place {
  /** With every symbolic link on the way resolved. */
  readonly live: string;
  readonly kind: 'folder' | 'file' | 'missing';
  /** It is a mount point, or its folder may not be written: what is in it is exchanged, and not the folder itself. */
  readonly isInside: boolean;
  /** Entries of the folder that belong to nobody's data. */
  readonly reserved: readonly string[];
}

/** Something of ours beside or in a place. */
export interface Beside {
  readonly path: string;
  readonly role: Role;
  readonly at: Date;
}

/** Looks at a path. @throws OperatorError SOURCE_CONNECT when the folder that it lies in cannot be looked into */
export function lookAt(path: string): Place {
  const live = resolveLinks(path);
  const stat = statSync(live, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory() && !stat.isFile()) {
    throw new OperatorError('SOURCE_CONNECT', `${path} is neither a folder nor a file`, {
      hint: 'A file:// source is a folder or a regular file.',
    });
  }
  const kind = !stat ? 'missing' : stat.isDirectory() ? 'folder' : 'file';
  const isMount = mountPoints().includes(live);
  const isInside = kind === 'folder' && (isMount || !isWritable(dirname(live)));
  return { live, kind, isInside, reserved: isMount ? [HIDDEN, FILE_SYSTEMS_OWN] : [HIDDEN] };
}

function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw unreachable(path, error);
  }
  try {
    // a link to what is not there is not there; what would be made takes its own place
    return join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return path;
    throw unreachable(path, error);
  }
}

function unreachable(path: string, error: unknown): OperatorError {
  return new OperatorError('SOURCE_CONNECT', `${path} cannot be looked at: ${messageOf(error)}`, { cause: error });
}

export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Every place at which something is mounted, as this process sees it; none where the system does not tell. */
export function mountPoints(): string[] {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
    return lines.map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, digits) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      ),
    );
  } catch {
    return [];
  }
}

/** A name takes 255 bytes; what is added takes up to 25 of them. */
const BASE_BYTES = 220;

function base(live: string): string {
  const name = basename(live);
  if (Buffer.byteLength(name) <= BASE_BYTES) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${[...name].slice(0, 50).join('')}_${digest}`;
}

/** The path of something of ours: `/data/uploads_previous_20261121091500`, or in the hidden folder of `/data/uploads`. */
export function besidePath({ live, isInside }: Place, role: Role, at: Date): string {
  const digits = at.toISOString().replace(/\D/g, '').slice(0, 14);
  return isInside ? join(live, HIDDEN, `${role}_${digits}`) : join(dirname(live), `${base(live)}_${role}_${digits}`);
}

/** Everything of ours around the place, the newest first, wherever it was put. */
export function listBeside({ live, kind }: Place): Beside[] {
  const outside = list(dirname(live), `${base(live)}_`);
  const inside = kind === 'folder' ? list(join(live, HIDDEN), '') : [];
  return [...outside, ...inside].sort((a, b) => b.at.getTime() - a.at.getTime());
}

function list(folder: string, prefix: string): Beside[] {
  return namesIn(folder).flatMap((name) => {
    const match = /^([a-z]+)_(\d{14})$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '');
    const role = ROLES.find((each) => each === match?.[1]);
    const at = new Date((match?.[2] ?? '').replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'));
    return role === undefined || Number.isNaN(at.getTime()) ? [] : [{ path: join(folder, name), role, at }];
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return [];
    throw error;
  }
}

/** A time, now or a little later, that none of these roles has a name of yet. */
export function freeTime(place: Place, roles: readonly Role[]): Date {
  let at = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  while (roles.some((role) => existsAtAll(besidePath(place, role, at)))) at = new Date(at.getTime() + 1_000);
  return at;
}

/** Also what is a link to nothing. */
export function existsAtAll(path: string | Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Makes sure of the folder that everything of ours lies in, and returns it. */
export function homeOf({ live, isInside }: Place): string {
  if (!isInside) return dirname(live);
  const hidden = join(live, HIDDEN);
  if (!existsSync(hidden)) mkdirSync(hidden, { mode: 0o700 });
  return hidden;
}

/** @throws OperatorError RESTORE_REFUSED where a restore could not put anything in place */
export function assertReplaceable(place: Place): void {
  const { live, kind, isInside } = place;
  const parent = dirname(live);
  if (!existsSync(parent)) {
    throw refused(`the folder ${parent}, in which ${basename(live)} would be, does not exist`, `mkdir -p ${parent}`);
  }
  const mounts = mountPoints();
  if (kind === 'file' && mounts.includes(live)) {
    throw refused(
      `${live} is mounted by itself, and a mounted file cannot be replaced`,
      'Restore it elsewhere (--to), or mount the folder that it lies in and not the file.',
    );
  }
  const below = mounts.filter((mount) => mount.startsWith(`${live}/`));
  if (below.length > 0) {
    throw refused(
      `something else is mounted in ${live}: ${below.join(', ')}`,
      'Unmount it, or restore beside it (--to) and copy what is missing.',
    );
  }
  const written = isInside ? live : parent;
  if (isWritable(written)) return;
  throw refused(
    `${written} cannot be written by this user, or is mounted read-only`,
    'With Docker, for this one command: docker compose run --rm --user root --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add FSETID --volume "<folder on the machine>:/restore" --env BACKUP_SOURCE_<NAME>=file:///restore backup restore …',
  );
}

function refused(message: string, hint: string): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, { hint });
}
