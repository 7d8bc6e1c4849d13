import type { ServerLog } from '../log/server-log.ts';
import { formatBytes } from '../quantities.ts';
import { print } from '../terminal/log.ts';
import { shownTimeInTable } from '../terminal/time.ts';

/** What `list --pitr --json` prints of a server's bases and of the moments that they and its log restore. */
export function pitrRow({ server, bases, ranges, gaps, chains }: ServerLog) {
  return {
    server,
    bases: bases.map((base) => ({
      key: `${base.stem}.json`,
      startedAt: base.startedAt,
      endedAt: base.endedAt,
      chain: base.chain,
      timeline: base.timeline,
      startLsn: base.startLsn,
      endLsn: base.endLsn,
      sizeBytes: base.sizeBytes,
      rawBytes: base.rawBytes,
    })),
    recoverable: ranges.map(({ from, to }) => ({ from: from.toISOString(), to: to.toISOString() })),
    gaps: gaps.map(({ from, to, why }) => ({ from: from.toISOString(), to: to.toISOString(), why })),
    marks: chains.flatMap(({ id, marks }) =>
      marks.map(({ name, at }) => ({ name, at: at.toISOString(), chain: id.chain })),
    ),
  };
}

/** Prints, below the backups, which moments can be restored and from which bases. */
export function printPitr(logs: readonly ServerLog[]): void {
  for (const { server, bases, ranges, gaps, chains } of logs) {
    print('');
    for (const { from, to } of ranges)
      print(`${server}: any second from ${shownTimeInTable(from)} to ${shownTimeInTable(to)}`);
    if (ranges.length === 0) print(`${server}: no moment can be restored yet`);
    for (const { from, to, why } of gaps) {
      print(`${server}: none between ${shownTimeInTable(from)} and ${shownTimeInTable(to)}: ${why}`);
    }
    for (const base of bases) {
      print(
        `${base.stem}.json  ${shownTimeInTable(new Date(base.endedAt))}  ${formatBytes(base.sizeBytes).padStart(10)}  base`,
      );
    }
    for (const { marks } of chains) {
      for (const { name, at } of marks) print(`${server}: mark ${name}  ${shownTimeInTable(at)}`);
    }
  }
}
