import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { slotFamily } from '../log/keys.ts';

const WRITTEN_EVERY_MS = 5_000;
const STALE_MS = 30_000;

interface Health {
  readonly at: string;
  readonly reasons: readonly string[];
}

/** One for each repository and its servers, so that two receivers of one machine do not speak for each other. */
function pathOf({ values, repository, servers }: Config): string {
  const what = [
    ...[values.BACKUP_DIR ?? '', values.S3_ENDPOINT ?? '', values.S3_BUCKET ?? ''],
    ...servers.map(({ name, source }) => `${slotFamily(repository.prefix, name)} ${source.host}:${source.port}`),
  ];
  return `/tmp/receiver-${createHash('sha256').update(what.join('\0')).digest('hex').slice(0, 8)}.health.json`;
}

/**
 * From now on says every few seconds how the receiver of this configuration does, for its health check.
 * @param reasons why it is not well; none when it is
 * @returns what ends it
 */
export function tellHealth(config: Config, reasons: () => readonly string[]): () => void {
  const path = pathOf(config);
  const write = () => {
    const health: Health = { at: new Date().toISOString(), reasons: reasons() };
    try {
      writeFileSync(`${path}.new`, JSON.stringify(health));
      renameSync(`${path}.new`, path);
    } catch {}
  };
  write();
  const timer = setInterval(write, WRITTEN_EVERY_MS);
  return () => clearInterval(timer);
}

/** Why the receiver of this configuration is not well; none when it is. */
export function readReceiverHealth(config: Config, now: Date): readonly string[] {
  let found: Health;
  try {
    found = JSON.parse(readFileSync(pathOf(config), 'utf8')) as Health;
  } catch {
    return ['the receiver has not begun yet'];
  }
  return now.getTime() - Date.parse(found.at) > STALE_MS ? ['the receiver hangs, or has ended'] : found.reasons;
}
