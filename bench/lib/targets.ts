/** What the figures are to reach, at a plain dump of 1 GB on two cores. A figure that misses is reported as missed. */
export const WANTED = {
  /** Of `pg_dump >/dev/null`, with one stream. */
  oneStream: 1.1,
  /** The same with two streams. */
  twoStreams: 0.95,
  /** Of `gunzip -c | psql`, with ANALYZE and verification in ours alone. */
  restore: 0.65,
  /** As many times as fast as `pg_dump | gzip | mc pipe`. */
  predecessor: 3,
  /** Of node, at any size. */
  nodePeakMb: 200,
  /** What a backup or a restore may leave on disk outside its target, even for a moment. */
  temporaryMb: 0,
  /** list, and cleanup, of 100,000 backups. */
  manyBackupsS: 5,
  /** list, cleanup and status of a million objects. */
  millionKeysS: 20,
  /** Until a look has answered, of the load of a drill of the same backup. */
  look: 1.1,
  /** What changed between two backups of 10,000 tables. */
  diffS: 1,
  /** A base, of `pg_basebackup | zstd -1`. */
  base: 1.1,
  /** From a commit on an idle server until it is stored, by the median. */
  storedS: 1.2,
  /** While there is a commit each second: the interval of five seconds, a request, and half a second. */
  storedBusyS: 5.75,
  /** A moment of the log, of a base unpacked, replayed, dumped and loaded by hand. */
  moment: 1.25,
  /** Transactions of pgbench with the log taken, of those without. */
  pgbench: 0.97,
  /** The log of one session that writes as fast as it can, of what pg_receivewal takes. */
  taken: 0.9,
  behindS: 5,
  cpuMsPerMb: 8,
  /** Beyond what node itself takes to start. */
  startUpS: 0.4,
} as const;

/** One thing that was to be reached. */
export interface Target {
  readonly what: string;
  readonly reached: number;
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly unit: string;
}

export function isMet({ reached, atMost, atLeast }: Target): boolean {
  return reached <= (atMost ?? Number.POSITIVE_INFINITY) && reached >= (atLeast ?? Number.NEGATIVE_INFINITY);
}
