/** Whose dumps are read. */
export type Dialect = 'postgres' | 'mariadb';

/** What a reading is told; all of it is for the second reading, which is held against a first one. */
export interface ReadingOptions {
  readonly dialect: Dialect;
  /** The order in which the first reading had a table's columns. */
  readonly columns?: Readonly<Record<string, readonly string[]>>;
  /** Rows of this partition count for that table, as in the first reading. */
  readonly through?: Readonly<Record<string, string>>;
  /** Names that stand for others: the staging database is the source's. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** When a row with its history ends, on this server, that has not ended; without it, on any. */
  readonly openEnd?: string;
  /** Tables that the server made in another storage engine than theirs, which it lacks, and theirs. */
  readonly engines?: Readonly<Record<string, string>>;
  /** Hands on rows of one table: those of these buckets, or with `key` those whose fields are these. */
  readonly find?: {
    readonly table: string;
    readonly buckets: readonly number[];
    readonly key?: readonly { readonly at: number; readonly value: string }[];
  };
}

/** Statements are compared by what they are about. */
export const ABOUT = ['sequences', 'large objects', 'definitions'] as const;
export type About = (typeof ABOUT)[number];

export interface Statement {
  readonly about: About;
  /** What it makes or changes, as people call it. */
  readonly object: string;
  /** Of all of it, in canonical words. */
  readonly hash: string;
  /** Its beginning. */
  readonly text: string;
}

export interface TableSum {
  readonly name: string;
  readonly rows: number;
  /** Two sums of 64 bits, in hexadecimal. */
  readonly sum: string;
  readonly columns: readonly string[];
}

export interface FoundRow {
  readonly hash: string;
  /** Its place among the rows of its table, from 1 on. */
  readonly position: number;
  /** As the dump has them; undefined for a long row. */
  readonly fields?: readonly string[] | undefined;
}

/** What the process that reads a dump reports, line by line. */
export type ReadingLine =
  | ({ readonly kind: 'table' } & TableSum)
  | ({ readonly kind: 'statement' } & Statement)
  | ({ readonly kind: 'row' } & FoundRow)
  /** A table's primary key. */
  | { readonly kind: 'key'; readonly table: string; readonly columns: readonly string[] }
  | { readonly kind: 'buckets'; readonly packed: string }
  | { readonly kind: 'end'; readonly isWhole: boolean };

/** How many buckets the rows of all tables share, by their hash. As row-sums.mjs has it. */
export const BUCKET_COUNT = 65_536;
