import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { subscriptionsOf } from '../server/drop.ts';
import { type GlobalsRun, giveOwnSettings, tellOfUngiven } from './apply-globals.ts';
import { carryOver } from './carry-over.ts';
import { describeUngiven, type Ungiven } from './ungiven.ts';

/** The staging database that is given what it will need, and from where that comes. */
interface Given {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly target: string;
  readonly targetExists: boolean;
  readonly staging: string;
  readonly globals: string | undefined;
  readonly signal: AbortSignal;
}

/** PostgreSQL restores them so that they do not run. */
export async function tellOfSubscriptions(connection: Connection, staging: string): Promise<void> {
  const names = (await subscriptionsOf(connection, staging)).map(({ name }) => name);
  if (names.length === 0) return;
  log.warn(
    `it subscribes to logical replication, which is disabled as restored: ${names.join(', ')}. Where it is to go on: ALTER SUBSCRIPTION … ENABLE, and mind that its rows are of the backup's time`,
  );
}

/** Owner, grants and settings of the live database; where there is none those of the backup. */
export async function giveAll(own: Given, isLast: boolean): Promise<Ungiven[]> {
  const { connection, source, target, staging, targetExists, globals, signal } = own;
  if (!targetExists) {
    if (globals === undefined) return [];
    const run: GlobalsRun = { connection, source, database: staging, globals, signal };
    // whom no limit keeps out gives everything at once, and it can be compared
    if (connection.isSuperuser) return isLast ? [] : giveOwnSettings(run, 'whole');
    return giveOwnSettings(run, isLast ? 'last_only' : 'without_last');
  }
  const ungiven = await carryOver(connection, target, staging, isLast);
  // a role that may restore a database may not always give it every setting that it has
  tellOfUngiven(ungiven.filter(({ isSetting }) => isSetting).map((one) => underItsName(one, own)));
  return ungiven.filter(({ isSetting }) => !isSetting);
}

/** Each as a sentence, for the log and for the operator who gives it what is missing. */
export function sentences(ungiven: readonly Ungiven[], own: Given): string[] {
  return ungiven.map((one) => describeUngiven(underItsName(one, own)));
}

/** Under the name that the database will have, for the operator who gives it what is missing. */
function underItsName(one: Ungiven, { staging, target }: Given): Ungiven {
  return { ...one, what: one.what.replaceAll(quoteIdentifier(staging), quoteIdentifier(target)) };
}
