import {
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type ObjectVersion,
} from '@aws-sdk/client-s3';
import { OperatorError } from '../../errors.ts';
import { compareKeys } from '../keys.ts';
import type { StoredObject } from '../storage.ts';
import { control, type S3Context, targetOf } from './context.ts';
import { notS3 } from './errors.ts';
import { decodeKey } from './list.ts';

/** One version of an object, or the marker that hides it. */
export interface Version {
  readonly key: string;
  readonly id: string;
  /** By the store's clock. */
  readonly at: Date;
  readonly isMarker: boolean;
  readonly sizeBytes: number;
  readonly etag: string | undefined;
}

/** Every version of every object whose key begins with the prefix, and every marker, as the store orders them. */
export async function* versions(
  context: S3Context,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Version> {
  const purpose = { operation: 'list the versions of backups', permission: 'list (s3:ListBucketVersions)' };
  const target = targetOf(context, purpose);
  const places = new Set<string>();
  let from: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
  while (from !== undefined) {
    const marker: { KeyMarker?: string; VersionIdMarker?: string } = from;
    const page: ListObjectVersionsCommandOutput = await control(
      context,
      purpose,
      (client, http) =>
        client.send(
          new ListObjectVersionsCommand({ Bucket: context.bucket, Prefix: prefix, EncodingType: 'url', ...marker }),
          http,
        ),
      { signal },
    );
    if (page.IsTruncated === undefined && page.Name === undefined) throw notS3(target, 'the answer is no S3 listing');
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    for (const found of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
      const { Key, VersionId = 'null', LastModified } = found;
      if (Key === undefined || LastModified === undefined)
        throw notS3(target, 'the listing has a version without key or time');
      const { Size, ETag }: ObjectVersion = found;
      yield {
        key: decode(Key),
        id: VersionId,
        at: LastModified,
        isMarker: Size === undefined,
        sizeBytes: Size ?? 0,
        etag: ETag,
      };
    }
    from = undefined;
    if (!page.IsTruncated) continue;
    const { NextKeyMarker, NextVersionIdMarker } = page;
    const place = `${NextKeyMarker}\0${NextVersionIdMarker}`;
    if (!NextKeyMarker || places.has(place)) throw notS3(target, 'the listing of versions goes round in circles');
    places.add(place);
    from = {
      KeyMarker: decode(NextKeyMarker),
      ...(NextVersionIdMarker ? { VersionIdMarker: NextVersionIdMarker } : {}),
    };
  }
}

/** The versions that were in force at a time, in the order of their keys' bytes. What was deleted then is not among them. */
export async function versionsAt(
  context: S3Context,
  prefix: string,
  time: Date,
  signal: AbortSignal | undefined,
): Promise<(StoredObject & { id: string })[]> {
  const newest = new Map<string, Version>();
  let keepsVersions = false;
  for await (const version of versions(context, prefix, signal)) {
    keepsVersions ||= version.id !== 'null';
    if (version.at > time) continue;
    const known = newest.get(version.key);
    // of one second, what the store lists first is the newer one
    if (known === undefined || version.at > known.at) newest.set(version.key, version);
  }
  // where nothing is called so, what else there is tells
  if (newest.size === 0) keepsVersions ||= await hasVersions(context, signal);
  if (!keepsVersions) throw noVersions(context);
  return [...newest.values()]
    .filter(({ isMarker }) => !isMarker)
    .map(({ key, sizeBytes, id }) => ({ key, sizeBytes, id }))
    .sort((a, b) => compareKeys(a.key, b.key));
}

/** Whether one of the first objects of the bucket has a version of its own. */
async function hasVersions(context: S3Context, signal: AbortSignal | undefined): Promise<boolean> {
  let looked = 0;
  for await (const { id } of versions(context, '', signal)) {
    if (id !== 'null') return true;
    looked += 1;
    if (looked === 1_000) break;
  }
  return false;
}

/** See Storage.rewritten. Versions of one content are one that a lost answer made us store twice. */
export async function* rewritten(
  context: S3Context,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const seen = new Map<string, string | undefined>();
  const told = new Set<string>();
  for await (const { key, isMarker, sizeBytes, etag } of versions(context, prefix, signal)) {
    if (isMarker || told.has(key)) continue;
    const content = `${sizeBytes} ${etag}`;
    if (seen.has(key) && seen.get(key) !== content) {
      told.add(key);
      yield key;
    }
    seen.set(key, content);
  }
}

function noVersions({ bucket, clients }: S3Context): OperatorError {
  return new OperatorError('USAGE', `s3://${bucket} at ${clients.endpoint} keeps no versions, so how it was is gone`, {
    hint: 'Read from a copy instead: --from NAME. Versions have to be kept before they are needed (docs/copies.md).',
  });
}
