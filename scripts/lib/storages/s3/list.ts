import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { StoredObject } from '../storage.ts';
import { control, type S3Context, targetOf } from './context.ts';
import { notS3 } from './errors.ts';
import { Pages } from './pages.ts';

/** An answer with no objects but with a next page is allowed, an endless row of them is not. */
const MAX_EMPTY_PAGES = 1000;

/**
 * Lists; see Storage.list. Anything that could hide objects is an error, never an early end.
 *
 * Stores that keep objects as files, or under encrypted names, list them whole and in an order of their own (Storj, S3
 * Express, gateways). Which order it is does not matter: it is put right here.
 */
export async function* listObjects(
  context: S3Context,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject> {
  const purpose = { operation: 'list backups', permission: 'list' };
  const target = targetOf(context, purpose);
  const tokens = new Set<string>();
  let token: string | undefined;
  const found = new Pages();
  let emptyPages = 0;
  do {
    const page = await control(
      context,
      purpose,
      (client, http) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: context.bucket,
            Prefix: prefix,
            // a key with a control character cannot stand in XML, and would make the page unreadable
            EncodingType: 'url',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          http,
        ),
      { signal },
    );
    if (page.IsTruncated === undefined && page.Name === undefined) throw notS3(target, 'the answer is no S3 listing');
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    const objects = (page.Contents ?? []).map(({ Key, Size }) => {
      if (Key === undefined || Size === undefined) throw notS3(target, 'the listing has an entry without key or size');
      return { key: decode(Key), sizeBytes: Size };
    });
    // a page that comes a second time may have come in place of another
    const twice = found.add(objects);
    if (twice !== undefined) throw notS3(target, `the listing has ${twice} twice`);
    emptyPages = page.Contents?.length ? 0 : emptyPages + 1;
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && !token) throw notS3(target, 'the listing says that it goes on, but not where');
    if (token !== undefined && (tokens.has(token) || emptyPages > MAX_EMPTY_PAGES)) {
      throw notS3(target, 'the listing goes round in circles');
    }
    if (token !== undefined) tokens.add(token);
  } while (token !== undefined);
  for (const object of found.inOrder()) if (object.key.startsWith(prefix)) yield object;
}

/** A key as a listing with `encoding-type=url` writes it: a space may be a plus. */
export function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    // not encoded after all, whatever the listing says
    return key;
  }
}
