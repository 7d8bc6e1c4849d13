import { baseArchiveKey, baseManifestKey, baseStem } from '../../scripts/lib/log/base-keys.ts';
import { encodeBaseManifest } from '../../scripts/lib/log/base-manifest.ts';
import { logKey, newChain } from '../../scripts/lib/log/keys.ts';
import { formatLsn, segmentName } from '../../scripts/lib/log/lsn.ts';

const SEGMENT = 16 * 2 ** 20;
const PARTS_OF_SEGMENT = 10;
const EVERY_MS = 5_000;
const DAY_MS = 86_400_000;
const SYSTEM = '7446112233445566778';

/**
 * The objects of a log that was written to without a pause for so many days: a part every five seconds, ten of them a segment of 16 MiB,
 * and a base at the beginning of each day. Their bytes are none of a log.
 */
export function* logOfDays({
  server,
  days,
  end,
}: {
  server: string;
  days: number;
  end: Date;
}): Generator<{ key: string; text: string }> {
  const begin = end.getTime() - days * DAY_MS;
  const { chain } = newChain(new Date(begin - 60_000), SYSTEM);
  const of = { server, chain };
  yield { key: logKey('', { ...of, kind: 'begun', cause: 'first', segmentBytes: SEGMENT }), text: '' };
  const size = Math.ceil(SEGMENT / PARTS_OF_SEGMENT);
  const segmentOf = (n: number) => BigInt(Math.floor(n / PARTS_OF_SEGMENT)) * BigInt(SEGMENT);
  for (let at = begin, n = 0; at < end.getTime(); at += EVERY_MS, n += 1) {
    const start = (n % PARTS_OF_SEGMENT) * size;
    const part = { segment: segmentName(1, segmentOf(n), SEGMENT), start, end: Math.min(SEGMENT, start + size) };
    const object = { ...of, ...part, kind: 'part', at: new Date(at), compression: 'zstd', encrypted: false } as const;
    yield { key: logKey('', object), text: 'x' };
  }
  for (let day = 0; day < days; day += 1) {
    const at = new Date(begin + day * DAY_MS);
    const stem = baseStem('', server, at);
    const lsn = formatLsn(segmentOf((day * DAY_MS) / EVERY_MS));
    const archive = baseArchiveKey(stem, { compression: 'zstd', encrypted: false });
    yield { key: archive, text: 'x' };
    const manifest = encodeBaseManifest({
      version: 1,
      kind: 'base',
      server,
      engine: 'postgres',
      chain,
      systemIdentifier: SYSTEM,
      timeline: 1,
      startLsn: lsn,
      endLsn: lsn,
      startedAt: at.toISOString(),
      endedAt: at.toISOString(),
      walSegmentBytes: SEGMENT,
      serverVersion: '18.1',
      databases: [],
      tablespaces: [],
      compression: 'zstd',
      encryption: null,
      objects: [],
      rawBytes: 1,
    });
    yield { key: baseManifestKey(stem), text: manifest.toString() };
  }
}
