import { formatBytes, formatDuration } from '../quantities.ts';
import { tableOf, wrapped } from '../terminal/table.ts';
import { shownTimeInTable } from '../terminal/time.ts';
import type { ServerStatus } from './servers.ts';

/** What the log of servers is like, for people: a line each, and below it which moments can be restored and what is wrong. */
export function serversTable(servers: readonly ServerStatus[]): string[] {
  const header = ['log of', 'state', 'stored', 'waiting', 'base', 'drill', 'size'];
  return [
    ...tableOf([header, ...servers.map(row)]),
    '',
    ...servers.flatMap((server) => [
      ...wrapped(`${server.server}: ${momentsOf(server)}`),
      ...server.reasons.flatMap((reason) => wrapped(`${server.server}: ${reason}`)),
      ...server.warnings.flatMap((warning) => wrapped(`${server.server}: note: ${warning}`)),
    ]),
  ];
}

function row(server: ServerStatus): string[] {
  const age = (iso: string | undefined) =>
    iso === undefined ? 'none' : `${formatDuration(Math.max(0, Date.now() - Date.parse(iso))).split(' ')[0]} ago`;
  const { exposedMs, lagBytes, lastDrill } = server;
  return [
    server.server,
    server.ok ? 'ok' : 'STALE',
    exposedMs === null ? '–' : exposedMs === 0 ? 'all' : `until ${formatDuration(exposedMs).split(' ')[0]} ago`,
    lagBytes === null ? '–' : formatBytes(lagBytes),
    age(server.lastBase?.endedAt),
    lastDrill === null ? 'none' : `${lastDrill.ok ? 'ok' : 'FAILED'} ${age(lastDrill.at)}`,
    formatBytes(server.storedBytes),
  ];
}

/** `any second from A to B; B is n seconds old`. */
function momentsOf({ recoverable, coverage }: ServerStatus): string {
  if (recoverable.length === 0) return 'no moment can be restored yet';
  const ranges = recoverable.map(({ from, to }, i) => {
    // the newest range goes on for as long as the server has nothing newer
    const isLast = i === recoverable.length - 1;
    const end = isLast && coverage !== null && coverage > to ? coverage : to;
    return { text: `${shownTimeInTable(new Date(from))} to ${shownTimeInTable(new Date(end))}`, end };
  });
  const end = ranges.at(-1)?.end ?? '';
  const old = formatDuration(Math.max(0, Date.now() - Date.parse(end)));
  return `any second from ${ranges.map(({ text }) => text).join(', and from ')}; that is ${old} ago`;
}
