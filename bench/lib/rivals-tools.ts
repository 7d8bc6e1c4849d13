import { type Candidate, CREATE, dump, type Place, PSQL, RESTORED } from './candidate.ts';
import { aws, awsVariables, storeOf, storeUrl } from './rivals-store.ts';

const SECRET = 'bench';
/** What the last of a repository's commands is to say nothing to. */
const QUIET = '>/dev/null 2>&1';

/** Tools that keep a repository of what they are given; the dump goes in by standard input. */
const REPOSITORIES: readonly Candidate[] = [
  {
    name: 'pg_dump | restic --stdin',
    needs: ['restic'],
    script: (place) => `restic -q -r ${place.out} init && ${dump(place)} | restic -q -r ${place.out} backup --stdin`,
    env: () => ({ RESTIC_PASSWORD: SECRET }),
    afterwards: {
      restore: ({ out }) => `${CREATE} && restic -q -r ${out} dump latest stdin | ${PSQL}`,
      listed: ({ out }) => `restic -r ${out} snapshots --json | grep '"id"' >/dev/null`,
    },
  },
  {
    name: 'pg_dump | kopia --stdin-file',
    needs: ['kopia'],
    script: (place) =>
      `kopia repository create filesystem --path=${place.out} ${QUIET} && ${dump(place)} | kopia snapshot create --no-progress --stdin-file=d.sql ${place.database} >/dev/null`,
    env: () => ({ KOPIA_PASSWORD: SECRET, KOPIA_CHECK_FOR_UPDATES: 'false' }),
    afterwards: {
      restore: (place) =>
        `${CREATE} && ${kopiaList(place)} | sed -n 's/.*"obj":"\\([^"]*\\)".*/\\1/p' > root && kopia show "$(cat root)/d.sql" | ${PSQL}`,
      listed: (place) => `${kopiaList(place)} | grep '"obj"' >/dev/null`,
    },
  },
  {
    name: 'pg_dump | borg create -',
    needs: ['borg'],
    script: (place) => `borg init -e repokey ${place.out} && ${dump(place)} | borg create ${place.out}::dump -`,
    env: () => ({ BORG_PASSPHRASE: SECRET, BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes' }),
    afterwards: {
      restore: ({ out }) => `${CREATE} && borg extract --stdout ${out}::dump stdin | ${PSQL}`,
      listed: ({ out }) => `borg list --short ${out} | grep . >/dev/null`,
    },
  },
];

/** Tools that run the dump themselves. */
const RUNNERS: readonly Candidate[] = [
  {
    name: 'borgmatic (pg_dump -Fc, borg)',
    needs: ['borgmatic', 'borg'],
    script: (place) =>
      [borgmaticConfiguration(place), borgmatic(place, 'repo-create -e repokey'), borgmatic(place, 'create')].join(
        '\n',
      ),
    env: () => ({ BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes' }),
    afterwards: {
      restore: (place) =>
        `${CREATE} && ${borgmatic(place, `extract --archive latest --destination ${place.restored}`)} && pg_restore -d ${RESTORED} "$(find ${place.restored} -type f -name ${place.database})"`,
      listed: (place) => `${borgmatic(place, 'repo-list --json')} | grep '"archive"' >/dev/null`,
    },
  },
  {
    name: 'backwyn',
    needs: ['backwyn'],
    script: () => 'backwyn backup >/dev/null',
    env: ({ bed, database, out }) => ({
      BACKWYN_SOURCE_DSN: dsn(bed.port, database),
      BACKWYN_ENCRYPTION_KEY: Buffer.alloc(32, SECRET).toString('base64'),
      BACKWYN_STORAGE: 'local',
      BACKWYN_STORAGE_DIR: out,
    }),
    afterwards: {
      restore: ({ bed }) =>
        `${CREATE} && backwyn restore "$(backwyn list | awk 'NR == 2 { print $1 }')" -to '${dsn(bed.port, RESTORED)}' -allow-unverified`,
      listed: () => `test "$(backwyn list | wc -l)" -gt 1`,
    },
  },
  {
    name: "prodrigestivill's backup.sh",
    needs: ['$BENCH_BACKUP_LOCAL', 'gzip'],
    script: () => `bash ${process.env.BENCH_BACKUP_LOCAL}/backup.sh >/dev/null`,
    env: ({ bed, database, out }) => ({ ...PRODRIGESTIVILL, ...sourceOf(bed.port, database), BACKUP_DIR: out }),
    afterwards: {
      restore: ({ out }) => `${CREATE} && gunzip -c ${out}/last/*-[0-9]*.sql.gz | ${PSQL}`,
      listed: ({ out }) => `ls ${out}/last/*-[0-9]*.sql.gz`,
      isFile: true,
    },
  },
  {
    name: "eeshugerman's backup.sh",
    needs: ['$BENCH_BACKUP_S3', 'aws', 'S3'],
    // it leaves its dump in the folder that it is run in
    script: () => `cp -r ${process.env.BENCH_BACKUP_S3}/src "$TMPDIR" && cd "$TMPDIR/src" && bash backup.sh >/dev/null`,
    env: (place) => ({ ...awsVariables(place), ...eeshugerman(place) }),
    afterwards: {
      restore: (place) =>
        `${CREATE} && ${aws(place, `cp --quiet --recursive ${storeUrl(place)}/ ${place.restored}`)} && pg_restore -d ${RESTORED} ${place.restored}/*.dump`,
      listed: (place) => aws(place, `ls ${storeUrl(place)}/`),
      isFile: true,
    },
  },
];

/** All that take one database. */
export const TOOLS: readonly Candidate[] = [...REPOSITORIES, ...RUNNERS];

const NONE = '**None**';
/** What its image sets: every variable has to be there. */
const PRODRIGESTIVILL = {
  POSTGRES_DB_FILE: NONE,
  POSTGRES_USER_FILE: NONE,
  POSTGRES_PASSWORD_FILE: NONE,
  POSTGRES_PASSFILE_STORE: NONE,
  POSTGRES_EXTRA_OPTS: '-Z1',
  POSTGRES_CLUSTER: 'FALSE',
  BACKUP_SUFFIX: '.sql.gz',
  BACKUP_LATEST_TYPE: 'symlink',
  BACKUP_KEEP_DAYS: '7',
  BACKUP_KEEP_WEEKS: '4',
  BACKUP_KEEP_MONTHS: '6',
  BACKUP_KEEP_MINS: '1440',
};

function sourceOf(port: number, database: string): Record<string, string> {
  return {
    POSTGRES_HOST: '127.0.0.1',
    POSTGRES_PORT: String(port),
    POSTGRES_USER: 'postgres',
    POSTGRES_PASSWORD: SECRET,
    POSTGRES_DB: database,
  };
}

function eeshugerman({ bed, database, key }: Place): Record<string, string> {
  const s3 = storeOf(bed);
  return {
    ...sourceOf(bed.port, database),
    POSTGRES_DATABASE: database,
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: s3.region,
    S3_BUCKET: s3.bucket,
    S3_PREFIX: key,
    S3_ACCESS_KEY_ID: s3.accessKey,
    S3_SECRET_ACCESS_KEY: s3.secretKey,
    PASSPHRASE: '',
    PGDUMP_EXTRA_OPTS: '',
    BACKUP_KEEP_DAYS: '',
  };
}

function dsn(port: number, database: string): string {
  return `postgres://postgres@127.0.0.1:${port}/${database}?sslmode=disable`;
}

/** The list of what the repository has. The tool has forgotten where that is: its home is a new one. */
function kopiaList({ out }: Place): string {
  return `kopia repository connect filesystem --path=${out} ${QUIET} && kopia snapshot list --all --json`;
}

function borgmatic({ out }: Place, words: string): string {
  return `borgmatic -c ${out}/borgmatic.json ${words}`;
}

/** JSON is YAML. */
function borgmaticConfiguration({ bed, database, out }: Place): string {
  const configuration = {
    repositories: [{ path: `${out}/repository` }],
    encryption_passphrase: SECRET,
    postgresql_databases: [{ name: database, hostname: '127.0.0.1', port: bed.port, username: 'postgres' }],
  };
  return `cat > ${out}/borgmatic.json <<'END'\n${JSON.stringify(configuration)}\nEND`;
}
