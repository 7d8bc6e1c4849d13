import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { ListOptions, StoredObject } from '../storage.ts';
import { control, type S3Context, targetOf } from './context.ts';
import { type Entry, takeEntries } from './entries.ts';
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
  { signal, isAnyEnough = false }: ListOptions,
): AsyncGenerator<StoredObject> {
  const purpose = { operation: 'list backups', permission: 'list' };
  const target = targetOf(context, purpose);
  const tokens = new Set<string>();
  let token: string | undefined;
  const found = new Pages();
  let emptyPages = 0;
  do {
    let entries: readonly Entry[] | undefined;
    const page = await control(
      context,
      purpose,
      (client, http) => {
        const command = new ListObjectsV2Command({
          Bucket: context.bucket,
          Prefix: prefix,
          // a key with a control character cannot stand in XML, and would make the page unreadable
          EncodingType: 'url',
          ...(isAnyEnough ? { MaxKeys: 1 } : {}),
          ...(token === undefined ? {} : { ContinuationToken: token }),
        });
        command.middlewareStack.add(
          (next) => async (args) => {
            const answer = await next(args);
            const response = answer.response as { statusCode?: number; body?: unknown };
            entries = undefined;
            if (response.statusCode !== 200 || !(response.body instanceof Readable)) return answer;
            const body = await buffer(response.body);
            const taken = takeEntries(body.toString('utf8'));
            entries = taken?.entries;
            response.body = taken ? Buffer.from(taken.rest) : body;
            return answer;
          },
          // between the connection and what reads the answer
          { step: 'deserialize', priority: 'low', name: 'takeEntries' },
        );
        return client.send(command, http);
      },
      { signal },
    );
    if (page.IsTruncated === undefined && page.Name === undefined) throw notS3(target, 'the answer is no S3 listing');
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    const listed: readonly { Key?: string | undefined; Size?: number | undefined }[] = entries ?? page.Contents ?? [];
    const objects = listed.map(({ Key, Size }) => {
      if (Key === undefined || Size === undefined) throw notS3(target, 'the listing has an entry without key or size');
      return { key: decode(Key), sizeBytes: Size };
    });
    // a page that comes a second time may have come in place of another
    const twice = found.add(objects);
    if (twice !== undefined) throw notS3(target, `the listing has ${twice} twice`);
    emptyPages = objects.length > 0 ? 0 : emptyPages + 1;
    // the first of them need not be the first in order
    if (isAnyEnough && objects.some(({ key }) => key.startsWith(prefix))) break;
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
