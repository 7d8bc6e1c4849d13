import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  type Stats,
  utimesSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { messageOf, OperatorError } from '../../../errors.ts';
import { command } from '../../../terminal/hints.ts';
import { log } from '../../../terminal/log.ts';
import { type Beside, besidePath, existsAtAll, freeTime, HIDDEN, listBeside, type Place } from './place.ts';

/** What keeps the replaced folder: a restore's is to be undone, an undo's is not. */
type Kept = 'previous' | 'undone';
/** What waits to be put in place: says by its name that it was proved, and what to call what it replaces. */
const MARKER = { previous: 'ready', undone: 'returning' } as const satisfies Record<Kept, Beside['role']>;

const SWAP_ROLES = ['previous', 'undone', 'ready', 'returning', 'outgoing', 'incoming'] as const;

/** Renames a path; a test's ends the process in its place. */
type Rename = (from: string | Buffer, to: string | Buffer) => void;

/**
 * Puts `next` in place of what is live, which is kept. Every step is a rename, and after each the names alone tell
 * how far it got: completeSwap continues from there, whichever process was killed. Nothing here waits, so nothing interrupts it.
 *
 * @returns where the replaced one is kept, or null when there was none
 * @throws OperatorError RESTORE_FAILED: the live one is as it was
 */
export function swap(place: Place, next: string, keptAs: Kept, rename: Rename = renameSync): string | null {
  const at = freeTime(place, SWAP_ROLES);
  const marker = besidePath(place, MARKER[keptAs], at);
  rename(next, marker);
  sync(dirname(marker));
  try {
    return place.isInside
      ? exchangeChildren(place, { marker, keptAs, at }, rename)
      : exchange(place, { marker, keptAs, at }, rename);
  } catch (error) {
    // once all that was live is out of the way, only going on brings a whole folder
    if (!existsAtAll(marker) || existsAtAll(besidePath(place, keptAs, at))) {
      throw new OperatorError('RESTORE_FAILED', `replacing ${place.live} stopped half way: ${messageOf(error)}`, {
        hint: `${command('restore')} or ${command('undo')}: either one first completes it from where it stopped.`,
        cause: error,
      });
    }
    rename(marker, next);
    throw new OperatorError('RESTORE_FAILED', `${place.live} cannot be replaced: ${messageOf(error)}`, {
      hint: 'It is as it was. --to restores beside it.',
      cause: error,
    });
  }
}

interface Order {
  readonly marker: string;
  readonly keptAs: Kept;
  readonly at: Date;
}

function exchange(place: Place, { marker, keptAs, at }: Order, rename: Rename): string | null {
  const kept = existsAtAll(place.live) ? besidePath(place, keptAs, at) : null;
  if (kept !== null) rename(place.live, kept);
  try {
    rename(marker, place.live);
  } catch (error) {
    if (kept !== null) rename(kept, place.live);
    throw error;
  }
  sync(dirname(place.live));
  return kept;
}

/** Of a folder whose own name is the mount's: its entries go out one by one, and then the others in. */
function exchangeChildren(place: Place, order: Order, rename: Rename): string | null {
  const { live } = place;
  const outgoing = besidePath(place, 'outgoing', order.at);
  const kept = besidePath(place, order.keptAs, order.at);
  if (!existsAtAll(kept)) {
    moveOut(place, outgoing, rename);
    rename(outgoing, kept);
  }
  const incoming = besidePath(place, 'incoming', order.at);
  rename(order.marker, incoming);
  moveIn(place, incoming, kept, rename);
  sync(live);
  if (readdirSync(kept).length > 0) return kept;
  rmdirSync(kept);
  return null;
}

function moveOut({ live, reserved }: Place, outgoing: string, rename: Rename): void {
  const attributes = lstatSync(live);
  if (!existsAtAll(outgoing)) mkdirSync(outgoing, { mode: 0o700 });
  const moved: Buffer[] = [];
  try {
    for (const name of entriesOf(live)) {
      if (reserved.includes(name.toString())) continue;
      rename(child(live, name), freeChild(outgoing, name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved) rename(child(outgoing, name), child(live, name));
    if (entriesOf(outgoing).length === 0) rmdirSync(outgoing);
    throw error;
  }
  setAttributes(outgoing, attributes);
}

function moveIn({ live }: Place, incoming: string, kept: string, rename: Rename): void {
  const attributes = lstatSync(incoming);
  for (const name of entriesOf(incoming)) {
    // somebody may have created something again in the meantime
    if (existsAtAll(child(live, name))) {
      log.warn(`${child(live, name)} was made while ${live} was being replaced: kept in ${kept}`);
      rename(child(live, name), freeChild(kept, name));
    }
    rename(child(incoming, name), child(live, name));
  }
  setAttributes(live, attributes);
  rmdirSync(incoming);
}

// names are bytes, and need not be UTF-8
function entriesOf(folder: string): Buffer[] {
  return readdirSync(folder, { encoding: 'buffer' });
}

function child(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name]);
}

function freeChild(folder: string, name: Buffer): Buffer {
  const wanted = child(folder, name);
  for (let n = 1; ; n += 1) {
    const path = n === 1 ? wanted : Buffer.concat([wanted, Buffer.from(`~${n}`)]);
    if (!existsAtAll(path)) return path;
  }
}

/** As far as this user may: a mount's own permissions are not always for us to set. */
function setAttributes(folder: string, { uid, gid, mode, atime, mtime }: Stats): void {
  for (const set of [
    () => chownSync(folder, uid, gid),
    () => chmodSync(folder, mode & 0o7777),
    () => utimesSync(folder, atime, mtime),
  ]) {
    try {
      set();
    } catch {}
  }
}

function sync(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } catch {
    // not every file system can sync a folder
  } finally {
    closeSync(file);
  }
}

/**
 * Ends a swap that was broken off: goes on where what was live has been touched, and else takes it back. Does nothing
 * where there is none.
 * @param rename see swap
 */
export function completeSwap(place: Place, rename: Rename = renameSync): void {
  for (const { path, role, at } of listBeside(place)) {
    const isInside = basename(dirname(path)) === HIDDEN;
    const here = { ...place, isInside };
    if (role === 'incoming') {
      tell(place);
      const kept = (['previous', 'undone'] as const).map((each) => besidePath(here, each, at)).find(existsAtAll);
      moveIn(here, path, kept ?? besidePath(here, 'previous', at), rename);
    }
    if (role !== 'ready' && role !== 'returning') continue;
    const keptAs = role === 'ready' ? 'previous' : 'undone';
    const kept = besidePath(here, keptAs, at);
    const hasBegun = existsAtAll(kept) || existsAtAll(besidePath(here, 'outgoing', at)) || !existsAtAll(place.live);
    if (hasBegun) {
      tell(place);
      if (isInside) exchangeChildren(here, { marker: path, keptAs, at }, rename);
      else putInPlace(here, path, rename);
    } else {
      // nothing was touched: what waited is a leftover like any other, or goes back to where it was kept
      rename(path, besidePath(here, role === 'ready' ? 'restoring' : 'previous', at));
    }
  }
}

function putInPlace(place: Place, marker: string, rename: Rename): void {
  if (existsAtAll(place.live)) {
    const aside = besidePath(place, 'undone', freeTime(place, SWAP_ROLES));
    log.warn(`${place.live} was created again while it was being replaced: kept as ${aside}`);
    rename(place.live, aside);
  }
  rename(marker, place.live);
  sync(dirname(place.live));
}

function tell({ live }: Place): void {
  log.warn(`replacing ${live} was interrupted: completing it first`);
}

/** Whether a swap was broken off here, so that what is live may be neither the one nor the other. */
export function isHalfSwapped(place: Place): boolean {
  return listBeside(place).some(({ role }) => ['ready', 'returning', 'incoming', 'outgoing'].includes(role));
}
