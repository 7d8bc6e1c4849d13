import { randomInt } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { parseLsn } from '../log/lsn.ts';
import { type MomentPlan, planMoment, type ServerLog } from '../moment/plan.ts';
import { targetOf } from '../moment/target.ts';
import { drillOfServer } from '../repository/drill-record.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import { type LogServer, serverOf } from '../source.ts';

/** Where a drill goes, and the dump whose rows it has to find there. */
export interface Destination {
  readonly plan: MomentPlan;
  readonly dump?: { readonly key: string; readonly manifest: Manifest };
}

/** So many of the newest dumps are looked at for one that is the state of a position in the log. */
const DUMPS_LOOKED_AT = 12;
const TO_END = 'replayed to the end';

/**
 * The end of the log; every second time a moment within it: that of a dump whose rows are known, where there is one, or a random
 * one.
 */
export async function destinationOf(of: {
  config: Config;
  repository: Repository;
  server: LogServer;
  serverLog: ServerLog;
  toEnd: MomentPlan;
  signal: AbortSignal;
}): Promise<Destination> {
  const { serverLog, toEnd } = of;
  if (!(await wentToEnd(of))) return { plan: toEnd };
  const dumps = await exactDumps(of);
  while (dumps.length > 0) {
    const [dump] = dumps.splice(randomInt(dumps.length), 1);
    const target = dump && targetOf({ lsn: dump.manifest.exactLsn });
    const plan = target && (await planMoment(serverLog, target));
    if (dump && plan && 'manifest' in plan) return { plan, dump };
  }
  const from = new Date(toEnd.manifest.endedAt).getTime();
  const lengthMs = toEnd.path.coverage.getTime() - from;
  if (lengthMs <= 0) return { plan: toEnd };
  const at = new Date(from + randomInt(Math.min(lengthMs, 2 ** 47)));
  const plan = await planMoment(serverLog, targetOf({ at: at.toISOString() }) ?? { kind: 'time', time: '', at });
  return { plan: 'manifest' in plan ? plan : toEnd };
}

/** Whether the last drill of this server went to the end of its log. */
async function wentToEnd({
  repository,
  server,
  signal,
}: {
  repository: Repository;
  server: LogServer;
  signal: AbortSignal;
}): Promise<boolean> {
  const last = (await repository.newestDrills(signal)).get(drillOfServer(server.name));
  const record = last && (await repository.drill(last, signal));
  return record?.ok === true && record.checks.some(({ detail }) => detail.startsWith(TO_END));
}

/** Dumps of this server's databases whose state is that of one position which the log reaches. */
async function exactDumps({
  config,
  repository,
  server,
  toEnd,
  signal,
}: {
  config: Config;
  repository: Repository;
  server: LogServer;
  toEnd: MomentPlan;
  signal: AbortSignal;
}): Promise<{ key: string; manifest: Manifest }[]> {
  const names = config.sources.filter((source) => serverOf([server], source)).map(({ name }) => name);
  // keys tell the second in which a dump began, the log its position
  const from = Math.floor(Date.parse(toEnd.manifest.endedAt) / 1_000) * 1_000;
  const start = parseLsn(toEnd.manifest.endLsn) ?? 0n;
  const backups = (await repository.backups(signal)).filter(
    ({ source, kind, hasManifest, createdAt }) =>
      hasManifest &&
      kind === 'backup' &&
      createdAt.getTime() >= from &&
      names.some((name) => source === name || source.startsWith(`${name}.`)),
  );
  const found: { key: string; manifest: Manifest }[] = [];
  for (const backup of backups.slice(0, DUMPS_LOOKED_AT)) {
    // one that cannot be read is the finding of its own drill
    const manifest = await repository.manifestOf(backup, signal).catch(() => undefined);
    const lsn = parseLsn(manifest?.exactLsn ?? '');
    const isOurs = manifest?.systemIdentifier === toEnd.manifest.systemIdentifier;
    const isReached = lsn !== undefined && lsn >= start && lsn <= toEnd.path.end;
    if (manifest && isOurs && isReached) found.push({ key: backup.key, manifest });
  }
  return found;
}
