import { after } from 'node:test';
import { ACCESS_KEY, type S3Double, startS3Double } from './s3-double.ts';
import type { DoubleOptions } from './s3-double-requests.ts';

const open: S3Double[] = [];
// one that a failed test has left open would keep the test file from ending
after(() => Promise.all(open.map((double) => double.close())));

/** An S3 store of this test file, and the variables that lead a verb to it. */
export async function startStore(
  options?: DoubleOptions,
): Promise<{ double: S3Double; storeEnv: Record<string, string> }> {
  const double = await startS3Double(options);
  open.push(double);
  return {
    double,
    storeEnv: {
      S3_ENDPOINT: double.settings.endpoint,
      S3_ACCESS_KEY: ACCESS_KEY,
      S3_SECRET_KEY: double.settings.secretKey,
    },
  };
}
