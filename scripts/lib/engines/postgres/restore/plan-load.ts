import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { LoadStep } from '../../engine.ts';
import { assertComplete } from '../server/completion.ts';
import type { Connection } from '../server/connection.ts';
import { loadStage } from '../server/load-stage.ts';
import { psqlMeter } from '../server/psql-meter.ts';
import { restrictionFor } from '../server/restricted-mode.ts';
import { planFolder } from '../split/load.ts';

/** What a newer pg_dump writes at a dump's head and an older server does not know. */
const HEAD_SETTINGS = [
  { line: 'SET transaction_timeout = 0;', since: 170_000 },
  { line: 'SET default_table_access_method = heap;', since: 120_000 },
] as const;

/** By which a dump has every name looked for where it says, and those in functions nowhere. */
const EMPTY_PATH = "SELECT pg_catalog.set_config('search_path', '', false);";

/** What is loaded, and into what. */
export interface PlannedLoad {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly isForeign: boolean;
  readonly manifest: Manifest | undefined;
  readonly ownSearchPath: boolean;
  readonly signal: AbortSignal;
}

/** See RestoreSession.plan. @throws OperatorError RESTORE_REFUSED for what cannot be loaded as was asked for */
export async function planLoad(
  { connection, source, staging, isForeign, manifest, ownSearchPath, signal }: PlannedLoad,
  format: string,
  parts: readonly string[],
): Promise<readonly LoadStep[]> {
  const { serverVersionNum, isSuperuser } = connection;
  const loading = { serverVersionNum, isSuperuser, hasEventTriggers: (manifest?.eventTriggers ?? []).length > 0 };
  const droppedLines: string[] = HEAD_SETTINGS.filter(({ since }) => serverVersionNum < since).map(({ line }) => line);
  if (ownSearchPath) {
    if (format === 'custom') throw onlyText();
    droppedLines.push(EMPTY_PATH);
  }
  const guard = format === 'custom' ? undefined : await restrictionFor(serverVersionNum, manifest !== undefined);
  const meter = psqlMeter(droppedLines, guard);
  if (format === 'folder') {
    const textMeter = psqlMeter(droppedLines);
    return planFolder({ source, staging, loading, meter, textMeter, signal }, parts);
  }
  const into = await loadStage(source, staging, format, { ...loading, isWhole: isForeign });
  const verifyEnd = (tail: string) => {
    if (format === 'sql') assertComplete(tail);
  };
  return [{ jobs: 1, loads: [{ into, meter, verifyEnd }] }];
}

function onlyText(): OperatorError {
  return new OperatorError(
    'RESTORE_REFUSED',
    'the search path of a custom-format dump is set by pg_restore, which cannot be told otherwise',
    {
      hint: 'By hand: pg_restore -f - FILE | grep -v "set_config(\'search_path\'" | psql -d NEW. The live database is as it was.',
    },
  );
}
