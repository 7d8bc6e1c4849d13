import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { giveTo, makeCertificates } from '../support/certificates.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { startS3Double } from '../support/s3-double.ts';
import { done, runVerb } from '../support/verbs.ts';

const own = makeCertificates('postgres');
const foreign = makeCertificates('postgres');

const forPostgres = makeCertificates('cert_only');
giveTo('postgres', forPostgres.server.key);
const { postgres, missing } = await startPostgres(
  [
    'ssl=on',
    `ssl_cert_file=${forPostgres.server.certificate}`,
    `ssl_key_file=${forPostgres.server.key}`,
    `ssl_ca_file=${forPostgres.authority}`,
  ],
  // a client without TLS, or without a certificate, is turned away: no success can be owed to a fallback
  ['hostnossl all tls_only all reject', 'hostssl all cert_only all cert', 'host all cert_only all reject'],
);
if (!missing)
  await postgres.sql('postgres', 'create role tls_only superuser login; create role cert_only superuser login');

const forMariadb = makeCertificates('nobody');
// read by whatever account the server runs as; MariaDB does not mind
chmodSync(forMariadb.server.key, 0o644);
const { mariadb, missing: missingMariadb } = await startMariaDb([
  `--ssl-cert=${forMariadb.server.certificate}`,
  `--ssl-key=${forMariadb.server.key}`,
  `--ssl-ca=${forMariadb.authority}`,
]);

describe('TLS to PostgreSQL', { skip: missing }, () => {
  test('verify-full with the authority backs up and restores; the server takes nothing else', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const env = {
      ...postgres.env(database),
      BACKUP_DIR: temporaryFolder(),
      POSTGRES_USER: 'tls_only',
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: forPostgres.authority,
    };
    await done('backup', ['--json'], env);
    await done('restore', ['latest', '--json'], env);
    await done('drill', ['--json'], env);
  });

  for (const [what, settings, message] of [
    ['an authority that did not sign', { PGSSLROOTCERT: foreign.authority }, /certificate/],
    ['no authority at all', {}, /certificate/],
    [
      'an authority whose file is not there',
      { PGSSLROOTCERT: '/nowhere/ca.pem' },
      /TLS cannot be read.*\/nowhere\/ca\.pem/s,
    ],
  ] as const) {
    test(`verify-full with ${what} connects to nobody, and says so`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), PGSSLMODE: 'verify-full', ...settings };
      const backup = await runVerb('backup', ['--json'], env);
      assert.equal(backup.code, 1);
      assert.match(backup.stderr, message);
    });
  }

  test("a server that asks for a client's certificate is shown the one of PGSSLCERT", async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    giveTo('root', forPostgres.client.key);
    const env = {
      ...postgres.env(database),
      BACKUP_DIR: temporaryFolder(),
      POSTGRES_USER: 'cert_only',
      PGSSLMODE: 'verify-ca',
      PGSSLROOTCERT: forPostgres.authority,
      PGSSLCERT: forPostgres.client.certificate,
      PGSSLKEY: forPostgres.client.key,
    };
    await done('backup', ['--json'], env);
    const { PGSSLCERT: _, PGSSLKEY: __, ...without } = env;
    assert.equal((await runVerb('backup', [], without)).code, 1);
  });
});

describe('TLS to MariaDB', { skip: missingMariadb }, () => {
  test('verify-ca with the authority backs up and restores, for an account that demands TLS', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    // read through a relay, which has to speak TLS too
    await mariadb.script(database, 'create table measured (f float); insert into measured values (123456.789)');
    await mariadb.sql(`create user tls@'%' identified by 'secret of the test' require ssl`);
    await mariadb.sql(`grant all on *.* to tls@'%'`);
    const url = mariadb.env(database).BACKUP_SOURCE_SHOP ?? '';
    const env = (query: string) => ({
      BACKUP_SOURCE_SHOP: `${url.replace(/(?<=:\/\/)[^@]+/, 'tls')}?${query}`,
      BACKUP_SOURCE_SHOP_PASSWORD: 'secret of the test',
      BACKUP_DIR: folder,
    });
    const folder = temporaryFolder();
    const good = env(`sslmode=verify-ca&sslrootcert=${forMariadb.authority}`);
    await done('backup', ['--json'], good);
    await done('restore', ['latest', '--json'], good);
    assert.deepEqual(await mariadb.sql(`select cast(f as double) as f from ${database}.measured`), [
      { f: 123456.7890625 },
    ]);

    for (const bad of ['sslmode=disable', `sslmode=verify-ca&sslrootcert=${foreign.authority}`]) {
      assert.equal((await runVerb('backup', [], env(bad))).code, 1, bad);
    }
  });
});

describe('TLS to the store', { skip: missing }, () => {
  test('trusts the authority of S3_CA_FILE, and nobody else', async () => {
    const double = await startS3Double();
    after(() => double.stop());
    // TLS in front of the double, which speaks plain HTTP
    const plain = new URL(double.settings.endpoint ?? '');
    const proxy = createServer(
      { cert: readFileSync(own.server.certificate), key: readFileSync(own.server.key) },
      (incoming, outgoing) => {
        const { method, url, headers } = incoming;
        const inner = request({ host: plain.hostname, port: plain.port, method, path: url, headers }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        });
        incoming.pipe(inner);
      },
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', () => resolve()));
    after(() => proxy.close());
    const database = postgres.freshName();
    await postgres.create(database);
    const env = {
      ...postgres.env(database),
      S3_ENDPOINT: `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      S3_BUCKET: double.settings.bucket,
      S3_ACCESS_KEY: double.settings.accessKey ?? '',
      S3_SECRET_KEY: double.settings.secretKey ?? '',
    };
    await done('backup', ['--json'], { ...env, S3_CA_FILE: own.authority });
    assert.equal((await runVerb('list', ['--json'], { ...env, S3_CA_FILE: own.authority })).json.length, 1);

    for (const settings of [{}, { S3_CA_FILE: foreign.authority }]) {
      const refused = await runVerb('list', ['--json'], { ...env, ...settings });
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.json.error.hint, /S3_CA_FILE/);
    }
    const unreadable = await runVerb('list', ['--json'], { ...env, S3_CA_FILE: '/nowhere/ca.pem' });
    assert.equal(unreadable.code, 2);
    assert.match(unreadable.json.error.message, /S3_CA_FILE cannot be read/);
  });
});
