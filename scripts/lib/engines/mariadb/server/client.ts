import type { DatabaseSource } from '../../../source.ts';
import { addressKept } from '../../database/address.ts';
import type { Connection } from './connection.ts';

/**
 * What the client programs are told about the server; the password through their environment.
 * @param place another way to it than the straight one, TLS included
 */
export function clientArguments(source: DatabaseSource, connection: Connection, place?: readonly string[]): string[] {
  const straight = () => [
    ...(source.host.startsWith('/')
      ? ['--protocol=socket', `--socket=${source.host}`]
      : ['--protocol=tcp', `--host=${hostOf(source, connection)}`, `--port=${source.port}`]),
    ...tlsArguments(source, connection),
  ];
  return [
    // what the user of this machine has in ~/.my.cnf must not decide where a backup comes from
    '--no-defaults',
    `--user=${source.user}`,
    '--default-character-set=utf8mb4',
    ...(place ?? straight()),
  ];
}

/** The address that our own sessions came to; where a name is verified, the name is what tells the server from others. */
function hostOf(source: DatabaseSource, { isEncrypted }: Connection): string {
  const isNamed = isEncrypted && source.sslMode.startsWith('verify');
  return isNamed ? source.host : (addressKept(source) ?? source.host);
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
