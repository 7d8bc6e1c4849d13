import { messageOf } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import { describeChanges } from '../repository/contents.ts';
import { contentDrift, sizeDrift } from '../repository/drift.ts';
import type { Repository } from '../repository/repository.ts';

/**
 * How the newest backup of a source differs from the ones before it, as sentences.
 * @param backups the newest first
 */
export async function drifts(
  repository: Repository,
  backups: readonly Backup[],
  signal: AbortSignal,
): Promise<string[]> {
  const [last, previous] = backups;
  if (!last) return [];
  const size = sizeDrift(last, backups.slice(1));
  try {
    const [current, before] = await Promise.all([
      repository.manifestOf(last, signal),
      previous && repository.manifestOf(previous, signal),
    ]);
    return [
      ...(size === undefined ? [] : [size]),
      ...(current && before ? contentDrift(before, current) : []),
      ...(current ? describeChanges(current) : []),
      ...(current?.warnings ?? []),
    ];
  } catch (error) {
    signal.throwIfAborted();
    return [...(size === undefined ? [] : [size]), messageOf(error)];
  }
}
