import { createHash } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import { nameOf, statusOf } from './errors.ts';

/** What this store can and wants, learned from its refusals. */
export interface S3Features {
  /** Honours, or at least ignores, If-None-Match on a write. */
  conditional: boolean;
  /** Insists on Content-MD5, as buckets with object lock do. */
  md5: boolean;
  /** Lets what has been stored be looked at: not with a key that may only write. */
  looks: boolean;
  /** Takes an object whose signature names a digest that was known before. */
  streams: boolean;
}

/** Sends, and sends again without (or with) what the store refused (or demanded). */
export async function adapting<T>(features: S3Features, send: (features: S3Features) => Promise<T>): Promise<T> {
  for (;;) {
    const used = { ...features };
    try {
      return await send(used);
    } catch (error) {
      if (used.conditional && refusesCondition(error)) features.conditional = false;
      else if (!used.md5 && demandsMd5(error)) features.md5 = true;
      else throw error;
    }
  }
}

/** The condition that no object may be overwritten, for a store that takes it. */
export function conditionFor(use: S3Features): { IfNoneMatch?: '*' } {
  return use.conditional ? { IfNoneMatch: '*' } : {};
}

/** The digest of what is sent, for a store that demands it. */
export function md5For(use: S3Features, bytes: Uint8Array): { ContentMD5?: string } {
  return use.md5 ? { ContentMD5: md5(bytes).toString('base64') } : {};
}

/** The MD5 of some bytes, as ETags and Content-MD5 are made of. */
export function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest();
}

function refusesCondition(error: unknown): boolean {
  if (statusOf(error) === 501 || nameOf(error) === 'NotImplemented') return true;
  return statusOf(error) === 400 && /if-none-match|conditional/i.test(messageOf(error));
}

function demandsMd5(error: unknown): boolean {
  return statusOf(error) === 400 && /content-?md5/i.test(`${nameOf(error)} ${messageOf(error)}`);
}
