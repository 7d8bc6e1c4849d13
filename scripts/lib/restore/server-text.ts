import type { Report } from '../notify/reporting.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import type { ServerRestoreResult, undoServer } from './server.ts';
import { keptBeside } from './server-folder.ts';

/** What to tell people of it. */
export function reportOfServer({ server, key, into, durationMs }: ServerRestoreResult): Report {
  const what = `${key} and its log restored into ${into} in ${formatDuration(durationMs)}`;
  return { outcome: 'success', items: [{ source: server, what }] };
}

/** Prints what came of it, and what is to be done now. */
export function printServerResult({ server, key, into, previous, sizeBytes, durationMs, moment }: ServerRestoreResult) {
  print(`restored   ${server} from ${key} and its log`);
  print(`into       ${into} (${formatBytes(sizeBytes)}) in ${formatDuration(durationMs)}`);
  print(`last in    ${moment.lastIn ?? 'nothing was committed since the base'}`);
  const { firstOut, firstOutXid } = moment;
  if (firstOut !== null) print(`first out  ${firstOut}${firstOutXid === null ? '' : ` (transaction ${firstOutXid})`}`);
  if (previous !== null) {
    print(`replaced   kept as ${previous}`);
    if (previous.startsWith(`${into}/`))
      print('           inside the data folder: every base carries it until it is deleted');
    print(`undo       ${command('undoServer')}, with the server stopped`);
  }
  const older = keptBeside(into).filter((path) => path !== previous);
  if (older.length > 0) print(`kept too   ${older.join(', ')}: delete what you need no more`);
  print(`next       ${command('up')} starts the server; the receiver begins a new log, and takes a base`);
}

export function printServerUndo({ into, restoredFrom, keptAs }: Awaited<ReturnType<typeof undoServer>>) {
  print(`put back   ${restoredFrom}`);
  print(`into       ${into}`);
  print(`replaced   kept as ${keptAs}`);
}
