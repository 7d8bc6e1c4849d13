import { fileURLToPath } from 'node:url';
import type { DumpFormat } from '../../../formats.ts';
import { runProgram, type Stage } from '../../../pipeline/chain.ts';
import { meterStage } from '../../../pipeline/meter.ts';
import { assertSucceeded } from '../../../pipeline/result.ts';
import type { Manifest, ObjectMember } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { Load, LoadStep } from '../../restoring.ts';
import type { Pick } from '../pick/pick.ts';
import { assertComplete } from '../server/completion.ts';
import { type Connection, connect } from '../server/connection.ts';
import { loadStage } from '../server/load-stage.ts';
import { programFor } from '../server/programs.ts';
import { psqlMeter } from '../server/psql-meter.ts';
import { restrictionFor } from '../server/restricted-mode.ts';
import { type Loading, loadingStatements } from '../server/session-settings.ts';
import { planFolder } from '../split/load.ts';
import { planMembers } from '../split/load-members.ts';
import type { BrokenObjects } from './broken-objects.ts';
import { loosenChecks } from './loosened-checks.ts';

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
  readonly pick: Pick | undefined;
  /** Where it is to go on without what the dump's own rows or names do not let be made: takes note of that. */
  readonly broken: BrokenObjects | undefined;
  readonly signal: AbortSignal;
}

/** See RestoreSession.plan. */
export async function planLoad(
  { connection, source, staging, isForeign, manifest, ownSearchPath, pick, broken, signal }: PlannedLoad,
  format: DumpFormat,
  parts: readonly string[],
  members?: readonly ObjectMember[],
): Promise<readonly LoadStep[]> {
  const { serverVersionNum, isSuperuser } = connection;
  const loading = { serverVersionNum, isSuperuser, hasEventTriggers: (manifest?.eventTriggers ?? []).length > 0 };
  const droppedLines: string[] = HEAD_SETTINGS.filter(({ since }) => serverVersionNum < since).map(({ line }) => line);
  if (ownSearchPath) droppedLines.push(EMPTY_PATH);
  const mend = broken && (() => mendIn({ source, staging, loading, ownSearchPath, broken, signal }));
  // an archive is read by pg_restore itself, unless something of its text is to be another
  const isText = format !== 'custom' || ownSearchPath || broken !== undefined || pick !== undefined;
  const guard = isText ? await restrictionFor(serverVersionNum, manifest !== undefined) : undefined;
  const meter = psqlMeter(droppedLines, guard);
  if (format === 'folder') {
    const textMeter = psqlMeter(droppedLines);
    const loosen = broken && (() => loosenIn({ source, staging, loading, ownSearchPath, broken, signal }));
    return planFolder(
      { source, staging, loading, meter, textMeter, pick, manifest, broken, loosen, mend, signal },
      parts,
    );
  }
  // one transaction is for what cannot be thrown away; what is to go on without something, or as it is not written, is read in order
  if (members && format === 'sql' && !isForeign && !broken && !ownSearchPath) {
    const settings = manifest?.objects.find((object) => object.members)?.settings ?? [];
    const common = { source, staging, loading, meter, textMeter: meter, pick, manifest, signal };
    return planMembers({ ...common, members, settings, droppedLines, guard });
  }
  const into = await loadStage(source, staging, isText ? 'sql' : format, {
    ...loading,
    isWhole: isForeign && broken === undefined,
    onRefusal: broken?.takeLine,
  });
  const verifyEnd = (tail: string) => {
    if (format === 'sql') assertComplete(tail);
    broken?.readToEnd((manifest?.tables ?? []).length > 0);
  };
  const asText = format === 'custom' && isText ? [await textStage(serverVersionNum)] : [];
  const loosened = broken ? [loosenStage(serverVersionNum)] : [];
  const common = { into, verifyEnd, doom: broken?.doom };
  const load: Load = pick
    ? // what sees it pass is to see what is picked, and so the text
      { ...common, meter, before: [...asText, pick.stage()], through: loosened }
    : {
        ...common,
        meter: format === 'sql' ? meter : undefined,
        through: [...asText, ...asText.map(() => meterStage('text', { program: meter })), ...loosened],
      };
  return [{ jobs: 1, loads: [load], after: mend }];
}

/** Makes text of an archive, without reading it twice. */
async function textStage(serverVersionNum: number): Promise<Stage> {
  const program = await programFor('pg_restore', serverVersionNum);
  return { name: 'pg_restore', command: program.path, args: ['--file=-'] };
}

const LOOSEN = fileURLToPath(new URL('./loosen.pl', import.meta.url));

function loosenStage(serverVersionNum: number): Stage {
  return { name: 'loosen', command: 'perl', args: [LOOSEN], files: [loosenChecks(serverVersionNum)] };
}

interface Mending {
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly loading: Loading;
  readonly ownSearchPath: boolean;
  readonly broken: BrokenObjects;
  readonly signal: AbortSignal;
}

/** Between the definitions of a folder and its rows. */
async function loosenIn({ source, staging, loading, ownSearchPath, broken, signal }: Mending): Promise<void> {
  const psql = await loadStage(source, staging, 'folder', { ...loading, isWhole: false, onRefusal: broken.takeLine });
  const result = await runProgram(psql, {
    input: `${ownSearchPath ? '' : EMPTY_PATH}${loosenChecks(loading.serverVersionNum)}`,
    signal,
  });
  assertSucceeded([result]);
  broken.readToEnd(true);
}

/** In a session that is as the loading ones were. */
async function mendIn({ source, staging, loading, ownSearchPath, broken, signal }: Mending): Promise<void> {
  const connection = await connect(source, staging, signal);
  try {
    for (const setting of loadingStatements(loading)) await connection.query(setting);
    if (!ownSearchPath) await connection.query(EMPTY_PATH);
    await connection.query('set check_function_bodies = false; set client_min_messages = warning');
    await broken.mend(connection);
  } finally {
    await connection.close();
  }
}
