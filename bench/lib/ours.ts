import type { S3, TestBed } from './test-bed.ts';

/** A verb as the image runs it: bundled, in one process of node. The bed's environment says where. */
export function verb(name: string, ...args: string[]): string {
  return verbIn('BENCH_VERBS', name, args);
}

/** The same without the proof of content. */
export function bareVerb(name: string, ...args: string[]): string {
  return verbIn('BENCH_VERBS_WITHOUT_PROOF', name, args);
}

function verbIn(folder: string, name: string, args: readonly string[]): string {
  return [`node "$${folder}"/${name}.mjs`, ...args.map((word) => `'${word}'`)].join(' ');
}

/** The project's variables for a database of the bench's server. */
export function source(bed: TestBed, database: string): Record<string, string> {
  return { POSTGRES_HOST: bed.host, POSTGRES_PORT: String(bed.port), POSTGRES_DB: database, POSTGRES_USER: 'postgres' };
}

/** The project's variables for an S3-compatible store. */
export function bucket(s3: S3, prefix = ''): Record<string, string> {
  return {
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: s3.region,
    S3_BUCKET: s3.bucket,
    S3_ACCESS_KEY: s3.accessKey,
    S3_SECRET_KEY: s3.secretKey,
    S3_PREFIX: prefix,
  };
}
