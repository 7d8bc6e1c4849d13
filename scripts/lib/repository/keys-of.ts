import { isSplit } from '../formats.ts';
import type { Backup } from './catalog.ts';
import { holdKey, kindKey, LAST_PART, manifestKey } from './object-key.ts';

/**
 * The keys of a backup, in groups that must be deleted one after the other: the manifest first, so that what is half
 * deleted is no longer a backup that claims to be whole; of a folder then the object that says the same.
 */
export function keysOf(backup: Backup): string[][] {
  const marker = kindKey(backup.stem, backup.kind);
  const last = backup.parts.filter(({ part }) => part === LAST_PART);
  const others = backup.parts.filter(({ part }) => part !== LAST_PART);
  return [
    backup.hasManifest ? [manifestKey(backup.stem)] : [],
    last.map(({ key }) => key),
    [
      ...(isSplit(backup.format) ? others.map(({ key }) => key) : [backup.key]),
      ...(backup.globalsKey === undefined ? [] : [backup.globalsKey]),
      ...(marker === undefined ? [] : [marker]),
      ...(backup.isHeld ? [holdKey(backup.stem)] : []),
    ],
  ];
}

/**
 * The keys of a backup in the order in which they are stored, in which at no time what is there passes for more than it
 * is: what marks it first, what says that it is whole last.
 */
export function storedOrder(backup: Backup): string[] {
  const marker = kindKey(backup.stem, backup.kind);
  const last = backup.parts.filter(({ part }) => part === LAST_PART);
  const others = backup.parts.filter(({ part }) => part !== LAST_PART);
  return [
    ...(marker === undefined ? [] : [marker]),
    ...(backup.isHeld ? [holdKey(backup.stem)] : []),
    ...(backup.globalsKey === undefined ? [] : [backup.globalsKey]),
    ...(isSplit(backup.format) ? [...others, ...last].map(({ key }) => key) : [backup.key]),
    ...(backup.hasManifest ? [manifestKey(backup.stem)] : []),
  ];
}
