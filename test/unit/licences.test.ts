import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Package {
  readonly license?: string;
  readonly dev?: boolean;
}

/** Those that ask for no more than to be named, and the LGPL for what is used as it is: the MariaDB driver. */
const ACCEPTED = [
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'LGPL-2.1-or-later',
];

test('everything that is shipped has a licence that allows it', () => {
  const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<string, Package>;
  };
  const shipped = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  assert.ok(shipped.length > 20);
  const others = shipped.filter(([, { license = 'none' }]) => !ACCEPTED.includes(license));
  assert.deepEqual(
    others.map(([path, { license }]) => `${path}: ${license}`),
    [],
  );
});
