import { print } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';
import type { Commit, CommitsResult } from './commits.ts';

/** So many rows deleted by one transaction are worth a look. */
const MANY = 1_000;
const NOTHING = 'no rows of tables';

/** Prints what was committed, a line for each transaction, and how to go back to before the one that looks like the accident. */
export function printCommits({ server, from, to, transactions }: CommitsResult): void {
  print(
    `${server}: ${transactions.length} transactions were committed from ${shownTime(new Date(from))} to ${shownTime(new Date(to))}`,
  );
  const telling = transactions.filter((commit) => whatOf(commit) !== NOTHING);
  for (const commit of telling) print(`  ${commit.at}  ${commit.xid.padStart(8)}  ${whatOf(commit)}`);
  if (telling.length < transactions.length)
    print(`  and ${transactions.length - telling.length} that changed no rows of tables`);
  const accidents = transactions.filter(isAccident);
  if (accidents.length > 0) print('');
  for (const { xid, before, ...what } of accidents.slice(0, 5))
    print(`before ${xid} (${whatOf({ xid, before, ...what })}): make restore AT=${before}`);
}

function isAccident({ dropped, emptied, droppedDatabases, tables }: Commit): boolean {
  return (
    dropped.length > 0 ||
    emptied.length > 0 ||
    droppedDatabases.length > 0 ||
    tables.some(({ deleted, updated }) => deleted + updated >= MANY)
  );
}

function whatOf({ tables, dropped, emptied, droppedDatabases, isWhole }: Commit): string {
  const name = ({ database, table }: { database: string; table: string | null }) =>
    `${database}: ${table ?? 'a table whose name no dump knows'}`;
  const rows = tables.map((each) => {
    const { inserted, updated, deleted } = each;
    const counts = [inserted && `+${inserted}`, updated && `~${updated}`, deleted && `-${deleted}`].filter(Boolean);
    return `${name(each)} ${counts.join(' ')}`;
  });
  const all = [
    ...dropped.map((each) => `DROPPED ${name(each)}`),
    ...emptied.map((each) => `EMPTIED ${name(each)}`),
    ...droppedDatabases.map((each) => `DROPPED the database ${each}`),
    ...rows,
  ];
  if (all.length === 0) return NOTHING;
  return `${all.join(', ')}${isWhole || rows.length === 0 ? '' : ' (at least)'}`;
}
