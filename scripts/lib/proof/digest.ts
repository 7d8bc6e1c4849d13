import { inflateSync } from 'node:zlib';
import type { FoundRow, ReadingLine, Statement, TableSum } from './reading.ts';

/** What one or several readings have seen, added up. */
export interface DumpDigest {
  readonly tables: ReadonlyMap<string, TableSum>;
  readonly statements: readonly Statement[];
  /** The columns of the tables' primary keys. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** Sums of the rows of all tables, by hash. */
  readonly buckets: BigUint64Array;
  readonly rows: readonly FoundRow[];
  /** How many of them were ended as a whole dump is, and how many not. */
  readonly wholeParts: number;
  readonly brokenParts: number;
}

const SUM_BITS = 64;
const DIGITS = SUM_BITS / 4;

/** Adds up what the processes that read a dump's parts report. */
export class DigestBuilder implements DumpDigest {
  readonly tables = new Map<string, TableSum>();
  readonly statements: Statement[] = [];
  readonly keys = new Map<string, readonly string[]>();
  readonly rows: FoundRow[] = [];
  buckets = new BigUint64Array(0);
  wholeParts = 0;
  brokenParts = 0;

  /** Takes a line of a reading's; false when it is none. */
  readonly take = (line: string): boolean => {
    if (!line.startsWith('PROOF ')) return false;
    this.add(JSON.parse(line.slice(6)) as ReadingLine);
    return true;
  };

  private add(line: ReadingLine): void {
    switch (line.kind) {
      case 'table': {
        const before = this.tables.get(line.name);
        this.tables.set(
          line.name,
          before ? { ...line, rows: before.rows + line.rows, sum: added(before.sum, line.sum) } : line,
        );
        return;
      }
      case 'statement':
        this.statements.push(line);
        return;
      case 'key':
        this.keys.set(line.table, line.columns);
        return;
      case 'row':
        this.rows.push(line);
        return;
      case 'buckets':
        this.addBuckets(inflateSync(Buffer.from(line.packed, 'base64')));
        return;
      case 'end':
        if (line.isWhole) this.wholeParts += 1;
        else this.brokenParts += 1;
    }
  }

  private addBuckets(bytes: Buffer): void {
    const more = new BigUint64Array(bytes.length / 8);
    bytes.copy(new Uint8Array(more.buffer));
    if (this.buckets.length === 0) this.buckets = more;
    else for (const [at, sum] of more.entries()) this.buckets[at] = (this.buckets[at] ?? 0n) + sum;
  }
}

/** Two pairs of sums, each added modulo 2^64. */
export function added(a: string, b: string): string {
  const parts = [0, DIGITS].map((at) =>
    BigInt.asUintN(SUM_BITS, BigInt(`0x${a.slice(at, at + DIGITS)}`) + BigInt(`0x${b.slice(at, at + DIGITS)}`)),
  );
  return parts.map((sum) => sum.toString(16).padStart(DIGITS, '0')).join('');
}

/** The buckets in which two readings differ. */
export function differingBuckets(a: DumpDigest, b: DumpDigest): number[] {
  const differing: number[] = [];
  for (let at = 0; at < Math.max(a.buckets.length, b.buckets.length); at++)
    if ((a.buckets[at] ?? 0n) !== (b.buckets[at] ?? 0n)) differing.push(at);
  return differing;
}
