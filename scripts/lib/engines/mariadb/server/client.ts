import type { DatabaseSource } from '../../../source.ts';
import type { Connection } from './connection.ts';

/** What the client programs are told about the server; the password through their environment. */
export function clientArguments(source: DatabaseSource, connection: Connection): string[] {
  return [
    // what the user of this machine has in ~/.my.cnf must not decide where a backup comes from
    '--no-defaults',
    ...(source.host.startsWith('/')
      ? ['--protocol=socket', `--socket=${source.host}`]
      : ['--protocol=tcp', `--host=${source.host}`, `--port=${source.port}`]),
    `--user=${source.user}`,
    '--default-character-set=utf8mb4',
    ...tlsArguments(source, connection),
  ];
}

/** The password is on no command line. */
export function clientEnvironment(source: DatabaseSource): Record<string, string> {
  return source.password === undefined ? {} : { MYSQL_PWD: source.password };
}

function tlsArguments(source: DatabaseSource, connection: Connection): string[] {
  if (!connection.isEncrypted) return ['--skip-ssl'];
  const verifies = source.sslMode.startsWith('verify');
  return [
    '--ssl',
    ...(source.sslRootCert === undefined ? [] : [`--ssl-ca=${source.sslRootCert}`]),
    ...(source.sslCert === undefined ? [] : [`--ssl-cert=${source.sslCert}`]),
    ...(source.sslKey === undefined ? [] : [`--ssl-key=${source.sslKey}`]),
    verifies ? '--ssl-verify-server-cert' : '--skip-ssl-verify-server-cert',
  ];
}
