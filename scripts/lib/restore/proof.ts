import { createHmac } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Check } from '../engines/engine.ts';
import type { ProofSide, RestoreSession } from '../engines/restoring.ts';
import { type Stage, startChain } from '../pipeline/chain.ts';
import { assertSucceeded } from '../pipeline/result.ts';
import { type Comparison, compareDigests, type TableDifference } from '../proof/compare.ts';
import { DigestBuilder, differingBuckets } from '../proof/digest.ts';
import { describeRow, keyFrom, keyValues, type RowDifference, surplus } from '../proof/find-row.ts';
import { BUCKET_COUNT, type FoundRow, type ReadingOptions, type TableSum } from '../proof/reading.ts';
import { witnessStage } from '../proof/witness.ts';
import type { Backup } from '../repository/catalog.ts';
import type { DerivedSum, Manifest } from '../repository/manifest.ts';
import { objectsOf } from '../repository/read.ts';
import type { Repository } from '../repository/repository.ts';
import { openText } from '../repository/sealed-text.ts';
import type { DerivedPair, Excused } from './not-in-dump.ts';
import { judge } from './verdict.ts';

/** What a proof needs to read the backup once more, should something differ. */
export interface ProofOrder {
  readonly repository: Repository;
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly session: RestoreSession;
  readonly globals: string | undefined;
  readonly signal: AbortSignal;
}

/** What came of a proof. */
export interface ProofResult {
  readonly checks: readonly Check[];
  readonly tables: number;
  readonly rows: number;
  /** Of the rows as they passed while the dump was loaded. */
  readonly sums: readonly { readonly table: string; readonly rows: number; readonly sum: string }[];
  readonly notCompared: readonly Excused[];
  readonly durationMs: number;
}

/** A proof under way: it sees the dump pass into the staging place, and then reads that place. */
export interface Proof {
  /** Stands between the dump and what loads it. */
  witness(): Stage;
  /** Holds what was restored against what has passed. */
  prove(): Promise<ProofResult>;
}

/** How many rows of differing buckets are kept in memory, of a table and of each side. */
const ROWS_LOOKED_AT = 2_000;
/** For how many of the tables that differ a row is named. */
const TABLES_LOOKED_INTO = 3;

/** A proof of what the session restores; undefined for an engine whose contents prove everything. */
export async function beginProof(order: ProofOrder): Promise<Proof | undefined> {
  const side = order.session.proof;
  if (!side) return undefined;
  const through = await side.through(order.backup.format);
  const expected = new DigestBuilder();
  return {
    witness: () =>
      witnessStage(
        expected,
        { dialect: side.dialect, ...(side.renamed ? { renamed: side.renamed } : {}) },
        { handsOn: true, through: side.passesText ? undefined : through },
      ),
    prove: async () => {
      const started = Date.now();
      const reading: ReadingOptions = {
        dialect: side.dialect,
        columns: Object.fromEntries([...expected.tables].map(([name, { columns }]) => [name, columns])),
        ...(side.renamed ? { renamed: side.renamed } : {}),
        ...(side.openEnd === undefined ? {} : { openEnd: side.openEnd }),
        ...(side.otherEngines ? { engines: side.otherEngines() } : {}),
      };
      const restored = await readRestored(side, reading, order.signal);
      const comparison = compareDigests(expected, restored);
      const rows = await nameRows({ ...order, side, through, expected, restored, reading }, comparison);
      const globals = await side.globals?.();
      const derived = await derivedOf(order, side);
      const { checks, notCompared } = judge({
        ...order,
        derived,
        side,
        expected,
        restored,
        comparison,
        rows,
        restoredGlobals: globals,
      });
      const sums = sealedSums([...expected.tables.values()], order);
      return {
        checks,
        tables: comparison.tables,
        rows: comparison.rows,
        sums,
        notCompared,
        durationMs: Date.now() - started,
      };
    },
  };
}

/** What no dump holds, as it was summed at the backup and as it is now. */
async function derivedOf(
  { manifest, backup, repository, signal }: ProofOrder,
  side: ProofSide,
): Promise<DerivedPair[]> {
  const sealed = manifest?.sealedDerived;
  let expected: readonly DerivedSum[] = manifest?.derived ?? [];
  if (sealed !== undefined) {
    const { derivedListSchema } = await import('../repository/manifest.ts');
    const text = await openText(sealed, backup.key, repository.encryption.identity, signal);
    expected = derivedListSchema.parse(JSON.parse(text));
  }
  if (expected.length === 0 || !side.derived) return [];
  const restored = new Map((await side.derived(expected)).map((sum) => [sum.table, sum]));
  return expected.map((one) => ({ expected: one, restored: restored.get(one.table) }));
}

async function readRestored(side: ProofSide, reading: ReadingOptions, signal: AbortSignal): Promise<DigestBuilder> {
  try {
    return await readThrough([await side.read()], reading, signal);
  } catch (error) {
    signal.throwIfAborted();
    const parts = await side.readInParts?.(error);
    if (!parts) throw error;
    return await readThrough(parts.stages, reading, signal).finally(parts.close);
  }
}

async function readThrough(
  stages: readonly Stage[],
  reading: ReadingOptions,
  signal: AbortSignal,
): Promise<DigestBuilder> {
  const digest = new DigestBuilder();
  for (const stage of stages) {
    const chain = startChain([stage, witnessStage(digest, reading, { handsOn: false })], {
      signal,
      endsTogether: true,
    });
    const results = await chain.finished;
    signal.throwIfAborted();
    assertSucceeded(results);
  }
  return digest;
}

/** Reads the backup as it is stored, without loading it. */
async function readStored(
  { repository, backup, manifest, signal, through }: ProofOrder & { through: Stage | undefined },
  reading: ReadingOptions,
): Promise<DigestBuilder> {
  const digest = new DigestBuilder();
  for (const { key } of objectsOf(backup, manifest)) {
    const stages = [...repository.openingStages(backup), witnessStage(digest, reading, { handsOn: false, through })];
    const chain = startChain(stages, { stdin: true, signal });
    const feeding = chain.stdin
      ? pipeline(repository.read(backup, { key }, manifest, signal), chain.stdin)
      : Promise.resolve();
    await feeding.catch(() => {});
    assertSucceeded(await chain.finished);
  }
  return digest;
}

type Search = ProofOrder & {
  readonly side: ProofSide;
  readonly through: Stage | undefined;
  readonly expected: DigestBuilder;
  readonly restored: DigestBuilder;
  readonly reading: ReadingOptions;
};

/** Of each of the first tables that differ, a row that does. */
async function nameRows(search: Search, { differingTables }: Comparison): Promise<Map<string, RowDifference>> {
  const named = new Map<string, RowDifference>();
  const buckets = differingBuckets(search.expected, search.restored);
  for (const difference of differingTables.slice(0, TABLES_LOOKED_INTO)) {
    const row = difference.expected && difference.restored && (await nameRow(search, difference, buckets));
    if (row) named.set(difference.table, row);
  }
  return named;
}

async function nameRow(
  search: Search,
  { table, expected, restored }: TableDifference,
  differing: readonly number[],
): Promise<RowDifference | undefined> {
  const rows = Math.max(expected?.rows ?? 0, restored?.rows ?? 0, 1);
  const count = Math.max(1, Math.floor((ROWS_LOOKED_AT * BUCKET_COUNT) / rows));
  const find = { table, buckets: differing.slice(0, count) };
  const { reading, side, signal } = search;
  const stored = await readStored(search, { dialect: reading.dialect, find });
  const found = await readRestored(side, { ...reading, find }, signal);
  const [missing, extra] = [surplus(stored.rows, found.rows), surplus(found.rows, stored.rows)];
  const columns = expected?.columns ?? [];
  const key = keyFrom(columns, search.expected.keys.get(table) ?? []);
  const pair = await partnerOf(search, table, missing[0], extra, key);
  if (!pair) return undefined;
  return describeRow(pair, columns, key, !search.backup.encrypted);
}

/** The row of the same key on the other side, which may have fallen into a bucket that was not looked at. */
async function partnerOf(
  { reading, side, signal }: Search,
  table: string,
  missing: FoundRow | undefined,
  extra: readonly FoundRow[],
  key: ReturnType<typeof keyFrom>,
): Promise<{ expected: FoundRow | undefined; restored: FoundRow | undefined } | undefined> {
  if (!missing) return extra[0] && { expected: undefined, restored: extra[0] };
  const values = key && keyValues(missing, key);
  if (!values) return { expected: missing, restored: undefined };
  const near = extra.find((row) => values.every(({ at, value }) => row.fields?.[at] === value));
  if (near) return { expected: missing, restored: near };
  const found = await readRestored(side, { ...reading, find: { table, buckets: [], key: values } }, signal);
  return { expected: missing, restored: found.rows[0] };
}

/** The sums as they may be kept: of an encrypted backup, keyed by what opens it. */
function sealedSums(tables: readonly TableSum[], { backup, repository }: ProofOrder): ProofResult['sums'] {
  const keyed = (sum: string) =>
    createHmac('sha256', repository.encryption.identity ?? '')
      .update(`${backup.key} ${sum}`)
      .digest('hex')
      .slice(0, 32);
  return tables.map(({ name, rows, sum }) => ({ table: name, rows, sum: backup.encrypted ? keyed(sum) : sum }));
}
