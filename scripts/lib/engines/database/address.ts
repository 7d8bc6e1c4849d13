import { type LookupAddress, lookup } from 'node:dns';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import type { DatabaseSource } from '../../source.ts';
import { log } from '../../terminal/log.ts';

const found = new Map<string, Promise<string[]>>();
const chosen = new Map<string, string>();

/** Where a server is told to be. Behind another port of a host may be another server, at another of its addresses. */
type Place = Pick<DatabaseSource, 'host' | 'port'>;
const keyOf = ({ host, port }: Place) => `${host} ${port}`;

/**
 * The addresses of a server's host, asked for once a run: on a network that several projects share, one name may be that of several
 * servers, and who asks twice may come to another. None for what is an address or a socket's folder already.
 *
 * @throws what node's resolver throws: ENOTFOUND, EAI_AGAIN
 */
export async function addressesOf(place: Place): Promise<readonly (string | undefined)[]> {
  const { host } = place;
  if (host.startsWith('/') || isIP(host) !== 0) return [undefined];
  const address = chosen.get(keyOf(place));
  if (address !== undefined) return [address];
  const known = found.get(host) ?? resolve(host);
  found.set(host, known);
  try {
    return await known;
  } catch (error) {
    // the next one may be luckier
    found.delete(host);
    throw error;
  }
}

async function resolve(host: string): Promise<string[]> {
  const answers: LookupAddress[] = await promisify(lookup)(host, { all: true });
  const families = [...new Set(answers.map(({ family }) => family))];
  // in one order within a family, no matter whose turn it is: each run comes to the same server
  const addresses = families.flatMap((family) =>
    [...new Set(answers.filter((answer) => answer.family === family).map(({ address }) => address))].sort(),
  );
  if (addresses.length > families.length)
    log.warn(
      `the host ${host} has several addresses: ${addresses.join(', ')}. If these are different servers, as when two projects share a network, give the one that is meant by a name of its own. This run keeps to one of them`,
    );
  return addresses;
}

/** From now on the server is reached by this address alone, the one that answered. */
export function keepTo(place: Place, address: string | undefined): void {
  if (address !== undefined) chosen.set(keyOf(place), address);
}

/** The address that the run keeps to, for client programs; undefined while nobody has connected, and for sockets. */
export function addressKept(place: Place): string | undefined {
  return chosen.get(keyOf(place));
}
