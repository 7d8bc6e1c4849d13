import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { maySetOwners } from '../engines/files/owners.ts';
import { homeOf, isWritable, listBeside, lookAt, type Place } from '../engines/files/swap/place.ts';
import { messageOf, OperatorError } from '../errors.ts';

/** Where the service restore-server has the volume of the database. */
const VOLUME = '/restore';

/** The folder that is meant: in the volume of the service restore-server, the one that the server's image has. */
export function dataFolderOf(wanted: string | undefined, major: number | undefined): string {
  if (wanted !== undefined) {
    if (isAbsolute(wanted)) return resolve(wanted);
    throw new OperatorError('USAGE', `--into ${JSON.stringify(wanted)} is no absolute path`, {
      hint: `In the container the volume of the database is ${VOLUME}: --into ${VOLUME}/18/docker.`,
    });
  }
  if (!existsSync(VOLUME))
    throw new OperatorError('USAGE', 'which data folder? --into FOLDER (INTO=) names it', {
      hint: 'PGDATA of the server, as it is seen from here.',
    });
  const known = [
    VOLUME,
    join(VOLUME, 'data'),
    ...(major === undefined ? versionsIn() : [join(VOLUME, `${major}`, 'docker')]),
  ];
  const there = known.filter((path) => existsSync(join(path, 'PG_VERSION')));
  const [only, ...others] = there;
  if (others.length > 0)
    throw new OperatorError('USAGE', `there are several data folders in the volume: ${there.join(', ')}`, {
      hint: '--into (INTO=) names one.',
    });
  if (only !== undefined) return only;
  return major === undefined ? VOLUME : join(VOLUME, `${major}`, 'docker');
}

const versionsIn = () => Array.from({ length: 30 }, (_, i) => join(VOLUME, `${i + 10}`, 'docker'));

/** The folder that the data folder lies in. */
export function makeParent(parent: string): string {
  try {
    mkdirSync(parent, { recursive: true });
  } catch (error) {
    throw refused(`${parent} cannot be made: ${messageOf(error)}`, 'Mount the volume of the database, writable.');
  }
  return parent;
}

/** The folder that what is recovered is made in, which the server that recovers it has to be able to enter. */
export function makeHome(into: string, owner: Owner | undefined): string {
  const home = homeOf(lookAt(into));
  if (home !== dirname(into) && owner !== undefined && maySetOwners()) chownSync(home, owner.uid, owner.gid);
  return home;
}

/** Whom files belong to. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Who the files are to belong to, where that is not who makes them. @throws OperatorError */
export function ownerOf(wanted: string | undefined, into: string): Owner | undefined {
  const match = /^(\d+)(?::(\d+))?$/.exec(wanted ?? '');
  if (wanted !== undefined && !match)
    throw new OperatorError('USAGE', `--owner ${JSON.stringify(wanted)} is no UID:GID such as 70:70`);
  const there = statSync(into, { throwIfNoEntry: false });
  const uid = match ? Number(match[1]) : there?.uid;
  const gid = match ? Number(match[2] ?? match[1]) : there?.gid;
  if (uid === undefined || gid === undefined || (match === null && uid === 0)) return undefined;
  if (maySetOwners() || uid === process.getuid?.()) return { uid, gid };
  throw refused(
    `${into} belongs to user ${uid}, and this user may give files to nobody`,
    'Run it as root: the service restore-server of docker-compose.yml does.',
  );
}

/** Earlier ones that are still kept, for the operator to delete. */
export function keptBeside(into: string): string[] {
  const place: Place = lookAt(into);
  return listBeside(place)
    .filter(({ role }) => role === 'previous' || role === 'undone')
    .map(({ path }) => path)
    .filter((path) => isWritable(dirname(path)));
}

/** @returns RESTORE_REFUSED */
export function refused(message: string, hint: string): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, { hint: `${hint} Nothing was fetched or touched.` });
}
