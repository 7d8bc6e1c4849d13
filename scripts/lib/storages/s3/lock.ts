import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ObjectLockMode as Mode,
  type ObjectLockMode,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { messageOf } from '../../errors.ts';
import type { Lock, ObjectLock, Protection } from '../storage.ts';
import { control, raw, type S3Context, targetOf } from './context.ts';
import { s3Failure, statusOf } from './errors.ts';
import { conditionFor, md5, type S3Features } from './features.ts';

const DAY_MS = 86_400_000;

/** The headers that lock what is put; none where the bucket does so itself. */
export function lockHeaders(lock: Lock | undefined): {
  ObjectLockMode?: ObjectLockMode;
  ObjectLockRetainUntilDate?: Date;
} {
  if (lock === undefined || lock.mode === 'bucket') return {};
  return {
    ObjectLockMode: lock.mode === 'compliance' ? Mode.COMPLIANCE : Mode.GOVERNANCE,
    ObjectLockRetainUntilDate: new Date(Date.now() + lock.days * DAY_MS),
  };
}

/** See Storage.lockOf. Its key may have no right to know: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
export async function lockOf(
  context: S3Context,
  key: string,
  signal: AbortSignal | undefined,
  versionId?: string,
): Promise<ObjectLock | undefined> {
  const found = await control(
    context,
    { operation: `look at ${key}`, permission: 'read' },
    (client, http) =>
      client.send(
        new HeadObjectCommand({
          Bucket: context.bucket,
          Key: key,
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        http,
      ),
    { signal },
  );
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until } = found;
  if (mode === undefined || until === undefined) return undefined;
  return { mode: mode === Mode.COMPLIANCE ? 'compliance' : 'governance', until };
}

/** See Storage.probe: stores it, writes over it, and deletes every version of it, as a thief of the keys would. */
export async function probe(
  context: S3Context,
  key: string,
  { features, lock, signal }: { features: S3Features; lock: Lock | undefined; signal: AbortSignal | undefined },
): Promise<Protection> {
  const put = (text: string, isFirst: boolean) => {
    const Body = Buffer.from(text);
    return raw(
      context,
      context.clients.control,
      (client, http) =>
        client.send(
          new PutObjectCommand({
            Bucket: context.bucket,
            Key: key,
            Body,
            ContentMD5: md5(Body).toString('base64'),
            ...lockHeaders(lock),
            ...(isFirst ? conditionFor(features) : {}),
          }),
          http,
        ),
      { signal },
    );
  };
  const first = await put('canary\n', true).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw s3Failure(error, targetOf(context, { operation: `store ${key}`, permission: 'write' }));
  });
  const held = await lockOf(context, key, signal, first.VersionId).catch(() => undefined);
  const over = await refusalOf(signal, () => put('written over\n', false));
  const versions = [first.VersionId, over.answer?.VersionId].filter((id) => isVersion(id));
  const deletions = [];
  for (const versionId of versions.length > 0 ? versions : [undefined]) {
    deletions.push(
      await refusalOf(signal, () =>
        raw(
          context,
          context.clients.control,
          (client, http) =>
            client.send(
              new DeleteObjectCommand({
                Bucket: context.bucket,
                Key: key,
                ...(versionId === undefined ? {} : { VersionId: versionId }),
                // a lock in governance mode holds only those who have no right to ask for this
                ...(held?.mode === 'governance' ? { BypassGovernanceRetention: true } : {}),
              }),
              http,
            ),
          { signal },
        ),
      ),
    );
  }
  // what stays is out of sight, where that can be
  if (versions.length > 0 && deletions.some(({ refusal }) => refusal !== undefined)) await hide(context, key, signal);
  const [deletion] = deletions;
  return {
    isDeletable: deletion?.refusal === undefined,
    isOverwritable: over.refusal === undefined && versions.length === 0,
    keepsVersions: versions.length > 0,
    lock: held,
    refusal: deletion?.refusal ?? '',
  };
}

function isVersion(id: string | undefined): id is string {
  return id !== undefined && id !== 'null';
}

/** What was answered, or in which words it was refused. What is neither is a failure. */
async function refusalOf<T>(
  signal: AbortSignal | undefined,
  ask: () => Promise<T>,
): Promise<{ answer?: T; refusal?: string }> {
  try {
    return { answer: await ask() };
  } catch (error) {
    signal?.throwIfAborted();
    const status = statusOf(error);
    if (status === undefined || status >= 500 || status === 404 || status === 429) throw error;
    return { refusal: messageOf(error) };
  }
}

async function hide(context: S3Context, key: string, signal: AbortSignal | undefined): Promise<void> {
  await refusalOf(signal, () =>
    raw(
      context,
      context.clients.control,
      (client, http) => client.send(new DeleteObjectCommand({ Bucket: context.bucket, Key: key }), http),
      { signal },
    ),
  ).catch(() => {});
}
