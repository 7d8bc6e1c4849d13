import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folders.ts';

/** A certificate authority of the test's own, and what it has signed: paths of files in PEM. */
export interface Certificates {
  readonly authority: string;
  /** For 127.0.0.1 and localhost. */
  readonly server: { readonly certificate: string; readonly key: string };
  /** For a client of that name. */
  readonly client: { readonly certificate: string; readonly key: string };
}

/** Made for each test, valid for a day. */
export function makeCertificates(clientName: string): Certificates {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '1',
    '-subj',
    '/CN=authority of a test',
  );
  for (const [name, subject, names] of [
    ['server', '/CN=localhost', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ['client', `/CN=${clientName}`, 'extendedKeyUsage=clientAuth'],
  ] as const) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    writeFileSync(path('extensions'), names);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '1',
      ...['-extfile', 'extensions', '-out', `${name}.pem`],
    );
  }
  return {
    authority: path('ca.pem'),
    server: { certificate: path('server.pem'), key: path('server.key') },
    client: { certificate: path('client.pem'), key: path('client.key') },
  };
}

/** Gives a key to the account that a database server runs as: servers refuse keys that others may read. */
export function giveTo(account: string, path: string): void {
  chmodSync(path, 0o600);
  if (process.getuid?.() !== 0) return;
  const [uid, gid] = ['-u', '-g'].map((which) => spawnSync('id', [which, account], { encoding: 'utf8' }));
  // without the account there is no such server here either
  if (uid?.status === 0 && gid?.status === 0) chownSync(path, Number(uid.stdout), Number(gid.stdout));
}
