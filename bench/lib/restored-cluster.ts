import { freePort } from '../../scripts/lib/engines/database/throwaway.ts';
import type { Place } from './candidate.ts';
import type { Content } from './contents.ts';

/** Starts a server on a cluster that was restored into the place, for as long as the work on its database takes. */
export async function withRestoredCluster<T>(place: Place, work: (content: Content) => Promise<T>): Promise<T> {
  const { bed, database } = place;
  const port = await freePort();
  await bed.run(startScript(place, port), {}, { isWatched: false });
  try {
    return await work({ database, host: '127.0.0.1', port });
  } finally {
    await bed.run(
      `${asOwner(place)} pg_ctl -D ${place.restored} -m immediate stop >/dev/null`,
      {},
      { isWatched: false },
    );
  }
}

/** With the WAL of the server that was copied in place of an archive, and as the account that server runs as. */
function startScript(place: Place, port: number): string {
  const { restored, bed } = place;
  const source = bed.dataDirectory;
  return [
    `cd ${restored}`,
    'rm -f recovery.signal standby.signal postmaster.pid',
    `mkdir -p pg_wal/archive_status && cp ${source}/pg_wal/0* pg_wal/`,
    `chown -R --reference=${source} . && chmod -R go-rwx .`,
    `${asOwner(place)} pg_ctl -D ${restored} -w -l ${restored}/log -o '-p ${port} -k ${restored} -c listen_addresses=127.0.0.1' start >/dev/null || { tail -n 1 log >&2; false; }`,
  ].join('\n');
}

function asOwner({ bed }: Place): string {
  const isRoot = process.getuid?.() === 0;
  return isRoot ? `setpriv --reuid=$(stat -c %U ${bed.dataDirectory}) --clear-groups` : '';
}
