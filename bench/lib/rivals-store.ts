import type { Place } from './candidate.ts';
import type { S3, TestBed } from './test-bed.ts';

/** The store, for a candidate that is left out where there is none. */
export function storeOf({ s3 }: TestBed): S3 {
  if (!s3) throw new Error('there is no store');
  return s3;
}

export function awsVariables({ bed }: Place): Record<string, string> {
  const s3 = storeOf(bed);
  return {
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: s3.secretKey,
    AWS_DEFAULT_REGION: s3.region,
  };
}

/** A command of the AWS client on this store. */
export function aws({ bed }: Place, words: string): string {
  return `aws --endpoint-url ${storeOf(bed).endpoint} s3 ${words}`;
}

/** Where the place's keys begin, as a URL. */
export function storeUrl({ bed, key }: Place): string {
  return `s3://${storeOf(bed).bucket}/${key}`;
}
