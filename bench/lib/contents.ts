import { startChain } from '../../scripts/lib/pipeline/chain.ts';
import { assertSucceeded } from '../../scripts/lib/pipeline/result.ts';
import { type Comparison, compareDigests, describeStatement } from '../../scripts/lib/proof/compare.ts';
import { DigestBuilder, type DumpDigest } from '../../scripts/lib/proof/digest.ts';
import { witnessStage } from '../../scripts/lib/proof/witness.ts';
import type { TestBed } from './test-bed.ts';

/** A database, and the server that it is on. */
export interface Content {
  readonly database: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Everything in a database, read as the proof of a restore reads it.
 *
 * @param like what it is to be held against, whose order of columns counts
 */
export async function digestOf(bed: TestBed, content: Content, like?: DumpDigest): Promise<DumpDigest> {
  const digest = new DigestBuilder();
  const columns = Object.fromEntries([...(like?.tables ?? [])].map(([name, table]) => [name, table.columns]));
  const env = { ...bed.env, PGHOST: content.host, PGPORT: String(content.port) };
  const chain = startChain(
    [
      { name: 'pg_dump', command: 'pg_dump', args: [`--dbname=${content.database}`], env },
      witnessStage(digest, { dialect: 'postgres', ...(like ? { columns } : {}) }, { handsOn: false }),
    ],
    { endsTogether: true },
  );
  assertSucceeded(await chain.finished);
  return digest;
}

/** In what a restored database is another than its source; undefined when in nothing. */
export function differenceOf(expected: DumpDigest, restored: DumpDigest): string | undefined {
  return describeComparison(compareDigests(expected, restored));
}

/** How many tables and definitions are others, with the first of each. */
export function describeComparison({
  differingTables,
  differingStatements,
}: Pick<Comparison, 'differingTables' | 'differingStatements'>): string | undefined {
  const [table] = differingTables;
  const [statement] = differingStatements;
  const parts: string[] = [];
  if (table) {
    const [rows, of] = [table.restored?.rows, table.expected?.rows];
    const how = rows === undefined ? 'missing' : rows === of ? 'other rows' : `${rows} rows of ${of ?? 'none'}`;
    parts.push(`${counted(differingTables.length, 'table')} (${table.table}: ${how})`);
  }
  if (statement)
    parts.push(`${counted(differingStatements.length, 'definition')} (${shortened(describeStatement(statement))})`);
  return parts.length === 0 ? undefined : parts.join(', ');
}

const SHOWN_CHARACTERS = 70;

function shortened(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
