import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { verb } from './ours.ts';
import { comparison, mb, nodePeakBytes, type Section } from './report.ts';
import { inTurns, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { TestBed } from './test-bed.ts';

const FILES = 20_000;
const FLOOR = 'tar | zstd >/dev/null (the floor)';
const OURS = 'ours, zstd, directory';
const WORDS = 4_096;

/** Twenty thousand files, most of them small and a few large, two thirds of them text and the rest as random as pictures. */
function makeFolder(folder: string, sizeBytes: number): void {
  const noise = Buffer.concat(Array.from({ length: 2 ** 16 }, (_, i) => createHash('sha256').update(`${i}`).digest()));
  const text = Buffer.from(
    Array.from({ length: 2 ** 18 }, (_, i) => noise.readUInt16LE((i * 2) % (noise.length - 2)) % WORDS)
      .map((word) => `word${word.toString(36)}`)
      .join(' '),
  );
  const weights = Array.from({ length: FILES }, (_, i) => Math.exp(4 * (noise.readUInt16LE(i * 2) / 65_536)));
  const bytesPerWeight = sizeBytes / weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    const size = Math.round(weight * bytesPerWeight);
    const from = i % 3 === 0 ? noise : text;
    const start = (i * 7_919) % Math.max(1, from.length - size);
    const directory = join(folder, String(i % 200));
    if (i < 200) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${i}.bin`), from.subarray(start, start + size));
  }
}

/** A folder's backup beside tar and zstd alone, whose archive nobody counts, digests, stores or proves. */
export async function benchFolders(bed: TestBed, options: Options): Promise<Section> {
  const folder = bed.empty('folder');
  makeFolder(folder, options.sizeBytes);
  const candidates = [
    { name: FLOOR, script: `tar -C ${folder} -cf - . | zstd -1 --quiet >/dev/null`, env: () => ({}) },
    {
      name: OURS,
      script: verb('backup', '--json'),
      env: () => ({ BACKUP_SOURCE_UPLOADS: `file://${folder}`, BACKUP_DIR: bed.empty('out') }),
    },
  ];
  const results = await inTurns(candidates, options.rounds, ({ script, env }) =>
    bed.run(script, env(), { target: join(bed.folder, 'out') }),
  );
  for (const name of ['out', 'folder']) bed.empty(name);
  const [floor, ours] = results;
  const targets: Target[] = [];
  if (floor && ours) {
    const reached = ratio(ours, floor);
    targets.push({ what: 'backup of a folder to the floor', reached, atMost: 1.2, unit: '×' });
    targets.push({
      what: "node's peak memory (folder)",
      reached: nodePeakBytes(ours) / 1e6,
      atMost: WANTED.nodePeakMb,
      unit: 'MB',
    });
  }
  return {
    title: 'Backup of a folder',
    body: `${comparison(results)}\n\n${FILES} files, ${mb(options.sizeBytes)} MB in all.`,
    targets,
  };
}
