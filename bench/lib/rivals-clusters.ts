import type { Candidate, Place } from './candidate.ts';
import { awsVariables, storeOf } from './rivals-store.ts';

/** Tools that copy the server's files. Their archive of WAL is off: it is no part of what is compared here. */
export const CLUSTERS: readonly Candidate[] = [
  { ...pgBackRest('pgBackRest (the cluster; gzip)', []), isOptional: true },
  pgBackRest('pgBackRest (the cluster; zstd, 2 processes)', [
    '--compress-type=zst',
    '--process-max=2',
    '--repo1-bundle',
  ]),
  {
    name: 'barman-cloud-backup (the cluster; as it is)',
    needs: ['barman-cloud-backup', 'S3'],
    isPhysical: true,
    script: (place) => barman(place, 'backup', '--immediate-checkpoint'),
    env: (place) => ({ ...awsVariables(place), PGHOST: place.bed.socketFolder }),
    afterwards: {
      restore: (place) =>
        `id=$(${barman(place, 'backup-list')} | awk 'NR > 1 { print $1 }') && ${barman(place, 'restore')} "$id" ${place.restored}`,
      listed: (place) => `${barman(place, 'backup-list')} | awk 'NR > 1' | grep . >/dev/null`,
      sender: { name: 'barman-cloud-backup' },
    },
  },
  {
    name: 'WAL-G backup-push (the cluster)',
    needs: ['wal-g'],
    isPhysical: true,
    script: ({ bed }) => `wal-g backup-push ${bed.dataDirectory}`,
    env: ({ bed, out }) => ({ WALG_FILE_PREFIX: out, PGDATA: bed.dataDirectory, PGHOST: bed.socketFolder }),
    afterwards: {
      restore: ({ restored }) => `wal-g backup-fetch ${restored} LATEST`,
      listed: () => 'wal-g backup-list 2>/dev/null | grep base_ >/dev/null',
      sender: { name: 'wal-g' },
    },
  },
];

function pgBackRest(name: string, more: readonly string[]): Candidate {
  const command = ({ bed, out }: Place, verb: string, ...options: string[]) => {
    const settings = {
      'pg1-path': bed.dataDirectory,
      'pg1-socket-path': bed.socketFolder,
      'pg1-port': bed.port,
      'pg1-user': bed.env.PGUSER,
      'repo1-path': out,
      'lock-path': `${bed.scratch}/lock`,
      'log-level-file': 'off',
    };
    const words = Object.entries(settings).map(([setting, value]) => `--${setting}=${value}`);
    return ['pgbackrest', '--stanza=bench', ...words, ...options, verb].join(' ');
  };
  return {
    name,
    needs: ['pgbackrest'],
    isPhysical: true,
    script: (place) =>
      [
        command(place, 'stanza-create'),
        command(
          place,
          'backup',
          '--type=full',
          '--start-fast',
          '--no-archive-check',
          '--repo1-retention-full=1',
          ...more,
        ),
      ].join(' && '),
    afterwards: {
      // of two words the later one counts
      restore: (place) =>
        `pgbackrest --stanza=bench --pg1-path=${place.restored} --repo1-path=${place.out} --lock-path=${place.bed.scratch}/lock --log-level-file=off --type=none restore`,
      listed: ({ out }) =>
        `pgbackrest --stanza=bench --repo1-path=${out} --output=json info | grep '"label"' >/dev/null`,
      sender: { name: 'pgbackrest', isLast: true },
    },
  };
}

function barman({ bed, key }: Place, verb: string, ...options: string[]): string {
  const { endpoint, bucket } = storeOf(bed);
  return [`barman-cloud-${verb} --endpoint-url ${endpoint}`, ...options, `s3://${bucket}/${key} bench`].join(' ');
}
