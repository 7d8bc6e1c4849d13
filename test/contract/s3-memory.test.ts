import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startS3Double } from '../support/s3-double.ts';

const MIB = 1024 * 1024;

test('needs no more memory for a large object than for a small one', async (t) => {
  const double = await startS3Double({ forgetful: true });
  t.after(() => double.close());
  const peakOf = async (sizeBytes: number) => {
    const script = fileURLToPath(new URL('../support/put-generated.ts', import.meta.url));
    const settings = JSON.stringify(double.settings);
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      script,
      settings,
      String(sizeBytes),
    ]);
    return Number(stdout);
  };
  const small = await peakOf(128 * MIB);
  const large = await peakOf(640 * MIB);
  t.diagnostic(
    `peak of the whole process: ${Math.round(small / MIB)} MiB for 128 MiB, ${Math.round(large / MIB)} MiB for 640`,
  );
  assert.ok(large < small * 1.3, `${large} bytes for five times as much, ${small} before`);
});
