import { isIP } from 'node:net';
import { codeOf, messageOf } from '../../errors.ts';
import type { DatabaseSource } from '../../source.ts';
import { addressesOf, keepTo } from './address.ts';
import { type TlsOptions, tlsAttempts } from './tls.ts';

/** One way to a server. */
export interface Attempt {
  /** Undefined for a host that is one already, and for the folder of a socket. */
  readonly address: string | undefined;
  readonly ssl: false | (TlsOptions & { readonly servername?: string });
}

/** Servers that took a connection without TLS, after they would not have one with it. */
const plain = new Set<string>();
const placeOf = ({ host, port }: DatabaseSource) => `${host} ${port}`;

/** From now on the server is reached in the way that worked. */
export function keepToAttempt(source: DatabaseSource, { address, ssl }: Attempt): void {
  keepTo(source, address);
  if (ssl === false) plain.add(placeOf(source));
}

/**
 * What to try in turn to connect: each address of the host, each way that sslmode allows.
 * @throws what node's resolver throws, and OperatorError CONFIG for a certificate that cannot be read
 */
export async function connectionAttempts(source: DatabaseSource): Promise<Attempt[]> {
  const all = tlsAttempts(source);
  // where it may go without, who has none is not asked for it each time: that is a process of the server's
  const ways = plain.has(placeOf(source)) && all.includes(false) ? [false as const] : all;
  const addresses = await addressesOf(source);
  return addresses.flatMap((address) =>
    // connected to by its address, the driver would not know by whose name the certificate is to be judged
    ways.map((ssl) => ({
      address,
      ssl:
        ssl === false || address === undefined || isIP(source.host) !== 0 ? ssl : { ...ssl, servername: source.host },
    })),
  );
}

const UNREACHED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT']);

/** Nobody was there, or nobody who speaks TLS: another address, or the way without, may do. */
export function isWorthAnother(error: unknown): boolean {
  const codes = [codeOf(error), codeOf((error as Error | undefined)?.cause)];
  return (
    codes.some((code) => UNREACHED.has(code ?? '') || code === 'ER_SERVER_SSL_DISABLED') ||
    /does not support SSL|^timeout expired/.test(messageOf(error))
  );
}
