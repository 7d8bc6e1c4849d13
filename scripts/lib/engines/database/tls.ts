import { readFileSync } from 'node:fs';
import { messageOf, OperatorError } from '../../errors.ts';
import type { DatabaseSource } from '../../source.ts';

/** How node's TLS, and both database drivers with it, is told whom to trust and who we are. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly checkServerIdentity?: () => undefined;
}

/**
 * What to try in turn to connect, in libpq's terms of sslmode: `prefer` is an attempt with TLS and one without, and only
 * the modes that verify look at who answers. `false` is no TLS; sockets of this machine need none.
 *
 * @throws OperatorError CONFIG for a certificate or key that cannot be read
 */
export function tlsAttempts(source: DatabaseSource): (false | TlsOptions)[] {
  if (source.host.startsWith('/') || source.sslMode === 'disable') return [false];
  const own = {
    ...(source.sslCert === undefined ? {} : { cert: read(source, source.sslCert) }),
    ...(source.sslKey === undefined ? {} : { key: read(source, source.sslKey) }),
  };
  const ca = source.sslRootCert === undefined ? {} : { ca: read(source, source.sslRootCert) };
  const encrypted = { rejectUnauthorized: false, ...own };
  switch (source.sslMode) {
    case 'allow':
    case 'prefer':
      return [encrypted, false];
    case 'require':
      return [encrypted];
    case 'verify-ca':
      return [{ rejectUnauthorized: true, ...ca, ...own, checkServerIdentity: () => undefined }];
    default:
      return [{ rejectUnauthorized: true, ...ca, ...own }];
  }
}

function read(source: DatabaseSource, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OperatorError('CONFIG', `source ${source.name}: a file for TLS cannot be read: ${messageOf(error)}`, {
      hint: 'Mount it into the backup container, readable for its user; PGSSLROOTCERT, PGSSLCERT and PGSSLKEY, or ?sslrootcert=, name the path there.',
    });
  }
}
