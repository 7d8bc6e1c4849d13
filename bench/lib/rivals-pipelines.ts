import { type Afterwards, type Candidate, CREATE, dump, type Place, PSQL, RESTORED } from './candidate.ts';
import { aws, awsVariables, storeOf, storeUrl } from './rivals-store.ts';

/** The pipeline that this project takes the place of. */
export const PREDECESSOR: Candidate = {
  name: 'pg_dump | gzip | mc pipe',
  needs: ['gzip', 'mc', 'S3'],
  script: (place) => `${dump(place)} | gzip | mc --quiet pipe ${atMc(place)}`,
  env: ({ bed }) => {
    const { endpoint, accessKey, secretKey } = storeOf(bed);
    return { MC_HOST_s3: endpoint.replace('://', `://${accessKey}:${secretKey}@`) };
  },
  afterwards: {
    restore: (place) => `${CREATE} && mc --quiet cat ${atMc(place)} | gunzip | ${PSQL}`,
    listed: (place) => `mc --quiet stat ${atMc(place)}`,
    isFile: true,
  },
};

/** The same without a store; what it is compared with where there is none. */
export const FILE_PREDECESSOR: Candidate = { ...gzipped('gzip'), isOptional: true };

/** PostgreSQL's own programs and pipelines of them. */
export const PIPELINES: readonly Candidate[] = [
  PREDECESSOR,
  FILE_PREDECESSOR,
  {
    name: 'pg_dump | gzip | aws s3 cp -',
    needs: ['gzip', 'aws', 'S3'],
    isOptional: true,
    script: (place) => `${dump(place)} | gzip | ${aws(place, `cp --quiet - ${storeUrl(place)}.sql.gz`)}`,
    env: awsVariables,
    afterwards: {
      restore: (place) => `${CREATE} && ${aws(place, `cp --quiet ${storeUrl(place)}.sql.gz -`)} | gunzip | ${PSQL}`,
      listed: (place) => aws(place, `ls ${storeUrl(place)}.sql.gz`),
      isFile: true,
    },
  },
  gzipped('igzip'),
  gzipped('pigz'),
  {
    name: 'pg_dump -Fc > file',
    needs: [],
    script: (place) => `${dump(place)} -Fc > ${place.out}/d.dump`,
    afterwards: fileOf('d.dump', (path) => `pg_restore -d ${RESTORED} ${path}`),
  },
  {
    name: 'pg_dump -Fd -j2',
    needs: [],
    script: (place) => `${dump(place)} -Fd -j2 -f ${place.out}/d`,
    afterwards: fileOf('d', (path) => `pg_restore -j2 -d ${RESTORED} ${path}`),
  },
];

function gzipped(program: string): Candidate {
  return {
    name: `pg_dump | ${program} > file`,
    needs: [program],
    script: (place) => `${dump(place)} | ${program} > ${place.out}/d.sql.gz`,
    afterwards: fileOf('d.sql.gz', (path) => `gunzip -c ${path} | ${PSQL}`),
  };
}

function fileOf(name: string, load: (path: string) => string): Afterwards {
  const pathOf = ({ out }: Place) => `${out}/${name}`;
  return {
    restore: (place) => `${CREATE} && ${load(pathOf(place))}`,
    listed: (place) => `test -s ${pathOf(place)}`,
    isFile: true,
  };
}

function atMc({ bed, key }: Place): string {
  return `s3/${storeOf(bed).bucket}/${key}.sql.gz`;
}
