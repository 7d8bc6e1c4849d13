import type { TableToDump } from './tables.ts';

const PAGE_BYTES = 8_192;
const MIB = 1024 * 1024;
/** A stream below that costs more to start than it gains. */
const MIN_STREAM_BYTES = 16 * MIB;
/** How many streams there are for each that runs: one that is done early takes another, and a restore may have more cores. */
const STREAMS_PER_JOB = 4;

/** A table, or of a large one some of its pages. */
export interface Piece {
  readonly table: TableToDump;
  /** The first page; 0 for the whole table, and for its beginning. */
  readonly fromPage: number;
  /** The page after the last one; undefined when it goes on to the table's end. */
  readonly toPage?: number;
  readonly sizeBytes: number;
}

/**
 * The tables whose rows can be loaded only when those of all others are: what checks them may read those. In the order of
 * pg_dump, by which such a dump can be loaded or not.
 */
export function loadedLast(tables: readonly TableToDump[]): Piece[] {
  const key = ({ schema, relation }: TableToDump) => Buffer.from(`${schema}\0${relation}`);
  return tables
    .filter(isLast)
    .toSorted((a, b) => Buffer.compare(key(a), key(b)))
    .map(whole);
}

const isLast = ({ isChecked, condition }: TableToDump) => isChecked && condition === null;

/**
 * Deals the other tables out to streams by size, the largest first and each to the stream that has least. A table larger than
 * a fair share of one job is cut by its pages.
 *
 * @param jobs how many streams will be read in parallel
 * @returns the streams, those with most first
 */
export function dealOut(all: readonly TableToDump[], jobs: number): Piece[][] {
  const tables = all.filter((table) => !isLast(table));
  const totalBytes = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const wanted = Math.max(jobs, 2) * STREAMS_PER_JOB;
  const streamBytes = Math.max(MIN_STREAM_BYTES, totalBytes / wanted);
  const count = Math.max(Math.min(jobs, tables.length), Math.min(wanted, Math.ceil(totalBytes / streamBytes)));
  // foreign keys of extensions' tables are checked while their rows are loaded: one stream, in their order
  const configuration = tables.filter(({ condition }) => condition !== null);
  const pieces = tables
    .filter(({ condition }) => condition === null)
    .flatMap((table) => cut(table, streamBytes))
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
  const streams = Array.from({ length: count }, () => ({ sizeBytes: 0, pieces: [] as Piece[] }));
  streams[0]?.pieces.push(...configuration.map(whole));
  for (const piece of pieces) {
    const least = streams.reduce((a, b) => (b.sizeBytes < a.sizeBytes ? b : a));
    least.pieces.push(piece);
    // an empty table costs something too
    least.sizeBytes += piece.sizeBytes + PAGE_BYTES;
  }
  return streams
    .filter((stream) => stream.pieces.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .map((stream) => stream.pieces);
}

const whole = (table: TableToDump): Piece => ({ table, fromPage: 0, sizeBytes: table.sizeBytes });

function cut(table: TableToDump, streamBytes: number): Piece[] {
  const pages = Math.ceil(table.heapBytes / PAGE_BYTES);
  const count = Math.min(pages, Math.round(table.sizeBytes / streamBytes));
  if (!table.canSplit || count < 2) return [whole(table)];
  return Array.from({ length: count }, (_, i) => ({
    table,
    fromPage: Math.round((pages * i) / count),
    ...(i === count - 1 ? {} : { toPage: Math.round((pages * (i + 1)) / count) }),
    sizeBytes: table.sizeBytes / count,
  }));
}
