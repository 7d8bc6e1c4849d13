import type { Check } from '../engines/engine.ts';
import { OperatorError } from '../errors.ts';
import { formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import {
  compareLargeObjects,
  compareSequences,
  compareTables,
  compareTrees,
  describeContents,
} from '../repository/contents.ts';
import type { DrillRecord } from '../repository/drill-record.ts';
import { describeLeftOut, notLeftOut } from '../repository/left-out.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import type { ProofResult } from '../restore/proof.ts';
import { log } from '../terminal/log.ts';

/** What a drill was proving when it failed. */
export function failedCheck(error: unknown): string {
  switch (error instanceof OperatorError ? error.code : undefined) {
    case 'BACKUP_DAMAGED':
      return 'digest';
    case 'NO_SPACE':
      return 'room for the restore';
    case 'TOOL_MISSING':
      return 'a server to restore on';
    case 'TIMEOUT':
      return 'ended in time';
    case 'CONFIG':
      return 'configuration';
    default:
      return 'restored without an error';
  }
}

/** What a drill has found so far; kept also when it then fails. */
export interface Findings {
  readonly checks: Check[];
  tables: DrillRecord['tables'];
  rtoMs: number | null;
  rawBytes: number | null;
  proof?: DrillRecord['proof'];
}

/** Takes in what came of the proof of content. */
export function addProof(found: Findings, { checks, tables, rows, sums, notCompared, durationMs }: ProofResult): void {
  found.checks.push(...checks);
  found.proof = { tables, rows, sums: [...sums], notCompared: [...notCompared], durationMs };
  for (const { what, why } of notCompared) log.info(`not compared: ${what}: ${why}`);
}

/** What was restored held against what was dumped. */
export function checkContents(manifest: Manifest, contents: Contents): Check[] {
  if (manifest.files !== undefined)
    return [
      outcome('files', compareTrees(manifest, contents), `${describeContents(contents)}, the tree's digest as dumped`),
    ];
  const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
  return [
    outcome('row counts', compareTables(manifest, contents), `${manifest.tables.length} tables, ${rows} rows`),
    outcome('sequences', compareSequences(manifest, contents), `${manifest.sequences.length} as dumped`),
    outcome('large objects', compareLargeObjects(manifest, contents), `${contents.largeObjects ?? 0}`),
    ...leftOutCheck(manifest, contents),
  ];
}

/** What the backup leaves out on purpose is expected to be missing. Of a folder its engine looks. */
function leftOutCheck(manifest: Manifest, { tables }: Contents): Check[] {
  const leftOut = describeLeftOut(manifest);
  return leftOut === undefined ? [] : [outcome('left out', notLeftOut(manifest, tables), leftOut)];
}

/** Whether owner, grants, settings and roles are as the backup has them. */
export function givenCheck(ungiven: readonly string[]): Check {
  return outcome('owner, grants and settings', ungiven, 'given as the backup has them');
}

function outcome(name: string, differences: readonly string[], detail: string): Check {
  return { name, ok: differences.length === 0, detail: differences.length === 0 ? detail : differences.join('; ') };
}

/** The rows of each table, as dumped and as restored. */
export function tableRows(manifest: Manifest | undefined, contents: Contents): DrillRecord['tables'] {
  const expected = new Map(manifest?.tables.map(({ table, rows }) => [table, rows]));
  const restored = new Map(contents.tables.map(({ table, rows }) => [table, rows]));
  return [...new Set([...expected.keys(), ...restored.keys()])].map((table) => ({
    table,
    expected: expected.get(table) ?? null,
    restored: restored.get(table) ?? null,
  }));
}

/** The record of a drill that had a backup to restore; says in the log how it went. */
export function record(
  source: string,
  { key, sizeBytes, createdAt }: Backup,
  startedAt: Date,
  found: Findings,
): DrillRecord {
  return recordOf({ source, key, sizeBytes, createdAt }, startedAt, found);
}

/** The record of a drill of anything: rpoMs is told from its createdAt. */
export function recordOf(
  of: { source: string; key: string | null; sizeBytes: number | null; createdAt: Date },
  startedAt: Date,
  found: Findings,
): DrillRecord {
  const { source } = of;
  const ok = found.checks.every((check) => check.ok);
  const { rtoMs, rawBytes } = found;
  const result: DrillRecord = {
    version: 1,
    key: of.key,
    source,
    ok,
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    rpoMs: Math.max(0, startedAt.getTime() - of.createdAt.getTime()),
    rtoMs,
    sizeBytes: of.sizeBytes,
    rawBytes,
    bytesPerSecond: rtoMs && rawBytes !== null ? Math.round((rawBytes / rtoMs) * 1_000) : null,
    tables: found.tables,
    checks: found.checks,
    ...(found.proof ? { proof: found.proof } : {}),
  };
  if (ok)
    log.info(
      `drill of ${source} passed${equality(found.checks)}: RPO ${formatDuration(result.rpoMs ?? 0)}, RTO ${formatDuration(rtoMs ?? 0)}`,
    );
  else
    for (const check of found.checks.filter((c) => !c.ok))
      log.error(`drill of ${source} failed: ${check.name}: ${check.detail}`);
  return result;
}

/** `, equal: 14 tables, 1,203,441 rows`. */
function equality(checks: readonly Check[]): string {
  const content = checks.find(({ name }) => name === 'content');
  return content ? `, ${content.detail}` : '';
}

/** The record of a drill that had none, which is a failure. */
export function nothingToDrill(source: string, problem: string): DrillRecord {
  const now = new Date().toISOString();
  log.error(`drill of ${source} failed: ${problem}`);
  return {
    version: 1,
    key: null,
    source,
    ok: false,
    startedAt: now,
    finishedAt: now,
    rpoMs: null,
    rtoMs: null,
    sizeBytes: null,
    rawBytes: null,
    bytesPerSecond: null,
    tables: [],
    checks: [{ name: 'a backup to restore', ok: false, detail: problem }],
  };
}
