import { OperatorError } from '../errors.ts';
import { normalizePrefix } from '../repository/object-key.ts';
import { type Repository, repositoryOn } from '../repository/repository.ts';
import { rekeyed } from '../storages/rekeyed.ts';
import type { Storage } from '../storages/storage.ts';
import { united } from '../storages/united.ts';
import { PRIMARY, type Store } from './stores.ts';

/** From where to read. */
export interface ReadFrom {
  /** `primary`, or a copy's name; without it from all stores, the primary one first. */
  readonly from?: string | undefined;
  /** As the stores were at that time. */
  readonly asOf?: Date | undefined;
}

/**
 * Several stores as one repository, by the keys of the primary one: each object is read from the first store that has it
 * whole. What is written goes to the primary store alone.
 *
 * @param copies those that are meant, when `from` names one: that one
 * @throws OperatorError USAGE for a store that keeps no versions to look back at
 */
export function readTogether(
  { primary, copies }: { primary: Store; copies: readonly Store[] },
  { from, asOf }: ReadFrom,
): Repository {
  const meant = from === undefined ? [primary, ...copies] : from === PRIMARY ? [primary] : copies;
  if (meant.length === 1 && meant[0] === primary && asOf === undefined) return primary.repository;
  const { shelf } = primary.repository;
  const shown = normalizePrefix(shelf.prefix);
  const members = meant.map(({ name, repository }) => ({
    name,
    storage: rekeyed(asOf === undefined ? repository.objects : atTime(repository.objects, asOf), { shown, stored: '' }),
    // of the copies one may be away; but not the only one
    mustAnswer: name === PRIMARY || meant.length === 1,
  }));
  const { holders, distrust, ...storage } = united(members, shelf.storage);
  return repositoryOn({ ...shelf, storage, holders, distrust });
}

function atTime(objects: Storage, time: Date): Storage {
  if (objects.asOf) return objects.asOf(time);
  throw new OperatorError('USAGE', `${objects.description} is a folder, which keeps no versions`, {
    hint: '--as-of goes with a bucket that keeps them: name it with --from NAME.',
  });
}
