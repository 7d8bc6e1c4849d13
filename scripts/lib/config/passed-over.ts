import { parseDurationMs } from '../quantities.ts';
import type { Source } from '../source.ts';

const OF_THE_ONE = ['BACKUP_EXCLUDE_TABLE', 'BACKUP_EXCLUDE_TABLE_DATA', 'BACKUP_EXCLUDE_SCHEMA'] as const;
const HOUR_MS = 3_600_000;

/**
 * A sentence for each value that is understood, and has another effect than its owner may believe: what is said of the one
 * database of POSTGRES_DB where sources are named, and a window whose `m` was meant for months, as restic reads it.
 */
export function passedOver(
  env: Readonly<Record<string, string>>,
  sources: readonly Source[],
  { PITR }: { readonly PITR: boolean },
): string[] {
  const warnings: string[] = [];
  const areNamed = sources.some(({ variable }) => variable !== 'POSTGRES_DB');
  if (areNamed)
    for (const name of OF_THE_ONE.filter((each) => env[each] !== undefined))
      warnings.push(
        `${name} leaves nothing out: it is of the database in POSTGRES_DB, and sources are named; write ${name.replace('BACKUP_', 'BACKUP_SOURCE_<NAME>_')}`,
      );
  const { PITR_WINDOW = '' } = env;
  const windowMs = parseDurationMs(PITR_WINDOW);
  if (PITR && windowMs !== undefined && windowMs < HOUR_MS)
    warnings.push(
      `PITR_WINDOW ${PITR_WINDOW} is less than an hour, and all log before it is deleted: m are minutes; write six months as 180d`,
    );
  return warnings;
}
