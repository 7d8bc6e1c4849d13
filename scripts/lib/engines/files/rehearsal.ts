import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeLeftOut } from '../../repository/left-out.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { FilesSource } from '../../source.ts';
import type { Check, Rehearsal, RehearsalOptions } from '../engine.ts';
import { assertDrillRoom } from '../room.ts';
import { attributesCheck } from './attributes.ts';
import { maySetOwners } from './owners.ts';
import { databasesCheck } from './sqlite/check.ts';
import { removeTree } from './staging.ts';
import { shownPath } from './tree/byte-path.mjs';
import { leavesOut } from './tree/patterns.mjs';
import { walk } from './tree/walk.mjs';

const PREFIX = 'files-drill-';
const UNPACKED_FACTOR = 10;
/** What a file takes on a disk beyond its bytes, at most in all likelihood. */
const ROOM_PER_FILE_BYTES = 4096;

/** See Engine.rehearse. A folder needs no server: the rehearsal is a folder of its own. */
export async function rehearse(source: FilesSource, options: RehearsalOptions): Promise<Rehearsal> {
  const { directory, manifest } = options;
  const room = manifest && manifest.rawBytes + (manifest.files ?? 0) * ROOM_PER_FILE_BYTES;
  await assertDrillRoom(
    { ...options, manifest: manifest && { ...manifest, databaseBytes: room } },
    { roomFactor: 1, unpackedFactor: UNPACKED_FACTOR, serverBytes: 0 },
  );
  for (const name of readdirSync(directory)) {
    // one drill at a time runs here: what is there was left by one that was killed
    if (name.startsWith(PREFIX)) await removeTree(join(directory, name));
  }
  const folder = mkdtempSync(join(directory, PREFIX));
  const live = join(folder, 'drill');
  mkdirSync(live);
  return {
    source: { ...source, path: live },
    inspect: async (staging) => [
      ownersCheck(manifest),
      attributesCheck(manifest),
      ...changesCheck(manifest),
      ...leftOutCheck(manifest, staging),
      ...(await databasesCheck(manifest, { staging, folder, signal: options.signal })),
    ],
    stop: () => removeTree(folder),
  };
}

function ownersCheck(manifest: Manifest | undefined): Check {
  const owners = manifest?.owners?.map(({ owner, entries }) => `${owner} (${entries})`).join(', ') ?? 'not known';
  const detail = maySetOwners() ? 'as dumped' : `not set, as this is not root; in the backup they are ${owners}`;
  return { name: 'owners', ok: true, detail };
}

function changesCheck(manifest: Manifest | undefined): Check[] {
  if (!manifest?.changed) return [];
  return [{ name: 'changes while it was read', ok: true, detail: `${manifest.changed.total} files or folders` }];
}

const NAMED = 5;

/** What the backup leaves out on purpose is expected to be missing. */
function leftOutCheck(manifest: Manifest | undefined, staging: string): Check[] {
  const detail = describeLeftOut(manifest);
  if (detail === undefined) return [];
  const there: string[] = [];
  const isOut = leavesOut(manifest?.leftOut?.patterns ?? []);
  const choice = {
    reserved: [],
    leavesOut: (path: string, isFolder: boolean) => {
      const isThere = isOut(path, isFolder);
      if (isThere && there.length < NAMED) there.push(shownPath(path));
      return isThere;
    },
  };
  for (const _ of walk(staging, choice));
  if (there.length === 0) return [{ name: 'left out', ok: true, detail }];
  return [
    { name: 'left out', ok: false, detail: `${there.join(', ')}: left out of the backup, and there all the same` },
  ];
}
