import { type Candidate, dump, type Place } from './candidate.ts';
import type { S3, TestBed } from './test-bed.ts';

/** The pipeline that this project takes the place of. */
export const PREDECESSOR: Candidate = {
  name: 'pg_dump | gzip | mc pipe',
  needs: ['gzip', 'mc', 'S3'],
  script: (place) => `${dump(place)} | gzip | mc --quiet pipe s3/${storeOf(place.bed).bucket}/${place.key}.sql.gz`,
  env: ({ bed }) => {
    const { endpoint, accessKey, secretKey } = storeOf(bed);
    return { MC_HOST_s3: endpoint.replace('://', `://${accessKey}:${secretKey}@`) };
  },
};

/** The same without a store; what it is compared with where there is none. */
export const FILE_PREDECESSOR: Candidate = {
  name: 'pg_dump | gzip > file',
  needs: ['gzip'],
  isOptional: true,
  script: (place) => `${dump(place)} | gzip > ${place.out}/d.sql.gz`,
};

const SECRET = 'bench';

/** PostgreSQL's own programs and pipelines of them. */
const DUMPS: readonly Candidate[] = [
  PREDECESSOR,
  FILE_PREDECESSOR,
  {
    name: 'pg_dump | gzip | aws s3 cp -',
    needs: ['gzip', 'aws', 'S3'],
    isOptional: true,
    script: (place) => {
      const { endpoint, bucket } = storeOf(place.bed);
      return `${dump(place)} | gzip | aws --endpoint-url ${endpoint} s3 cp --quiet - s3://${bucket}/${place.key}.sql.gz`;
    },
    env: ({ bed }) => awsVariables(storeOf(bed)),
  },
  {
    name: 'pg_dump | igzip > file',
    needs: ['igzip'],
    script: (place) => `${dump(place)} | igzip > ${place.out}/d.sql.gz`,
  },
  {
    name: 'pg_dump | pigz > file',
    needs: ['pigz'],
    script: (place) => `${dump(place)} | pigz > ${place.out}/d.sql.gz`,
  },
  { name: 'pg_dump -Fc > file', needs: [], script: (place) => `${dump(place)} -Fc > ${place.out}/d.dump` },
  { name: 'pg_dump -Fd -j2', needs: [], script: (place) => `${dump(place)} -Fd -j2 -f ${place.out}/d` },
];

/** Tools that keep a repository of what they are given; the dump goes in by standard input. */
const REPOSITORIES: readonly Candidate[] = [
  {
    name: 'pg_dump | restic --stdin',
    needs: ['restic'],
    script: (place) => `restic -q -r ${place.out} init && ${dump(place)} | restic -q -r ${place.out} backup --stdin`,
    env: () => ({ RESTIC_PASSWORD: SECRET }),
  },
  {
    name: 'pg_dump | kopia --stdin-file',
    needs: ['kopia'],
    script: (place) =>
      `kopia repository create filesystem --path=${place.out} >/dev/null 2>&1 && ${dump(place)} | kopia snapshot create --no-progress --stdin-file=d.sql ${place.database} >/dev/null`,
    env: () => ({ KOPIA_PASSWORD: SECRET, KOPIA_CHECK_FOR_UPDATES: 'false' }),
  },
];

/** Tools that copy the server's files. Their archive of WAL is off: it is no part of what is compared here. */
export const PHYSICAL: readonly Candidate[] = [
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
    script: ({ bed, key }) => {
      const { endpoint, bucket } = storeOf(bed);
      return `barman-cloud-backup --endpoint-url ${endpoint} --immediate-checkpoint s3://${bucket}/${key} bench`;
    },
    env: ({ bed }) => ({ ...awsVariables(storeOf(bed)), PGHOST: bed.socketFolder }),
  },
  {
    name: 'WAL-G backup-push (the cluster)',
    needs: ['wal-g'],
    isPhysical: true,
    script: ({ bed }) => `wal-g backup-push ${bed.dataDirectory}`,
    env: ({ bed, out }) => ({ WALG_FILE_PREFIX: out, PGDATA: bed.dataDirectory, PGHOST: bed.socketFolder }),
  },
];

/** What one would use instead. A further tool is a further row. */
export const RIVALS: readonly Candidate[] = [...DUMPS, ...REPOSITORIES, ...PHYSICAL];

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
  };
}

function awsVariables(s3: S3): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_DEFAULT_REGION: s3.region,
  };
}

function storeOf({ s3 }: TestBed): S3 {
  if (!s3) throw new Error('there is no store');
  return s3;
}
