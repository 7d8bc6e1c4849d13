import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { StageResult } from '../../../pipeline/result.ts';
import type { Contents } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { Connection } from '../server/connection.ts';
import { countCode, displayName, readSequences } from '../server/contents.ts';
import type { Omission } from './left-out.ts';

/** For the counts of one run. The source is locked: folders of earlier runs are those of killed ones, and go. */
export function countsFolder({ host, port, database, name }: DatabaseSource): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([host, port, database, name]))
    .digest('hex')
    .slice(0, 12);
  const start = `mariadb-counts-${digest}-`;
  for (const left of readdirSync(tmpdir()).filter((each) => each.startsWith(start)))
    rmSync(join(tmpdir(), left), { recursive: true, force: true });
  return mkdtempSync(join(tmpdir(), start));
}

/** What no transaction of the dump holds still: where sequences stand, and how much code there is. */
interface Outside {
  readonly source: DatabaseSource;
  readonly sequences: Contents['sequences'];
  readonly codeObjects: Record<string, number>;
}

export async function readOutside(
  connection: Connection,
  source: DatabaseSource,
  { invalidViews, omission }: { invalidViews: readonly string[]; omission: Omission | undefined },
): Promise<Outside> {
  const gone = omission?.gone ?? new Set();
  const goneNames = new Set([...gone].map(displayName));
  return {
    source,
    sequences: (await readSequences(connection, source.database)).filter(({ sequence }) => !goneNames.has(sequence)),
    codeObjects: await countCode(connection, source.database, {
      view: [...invalidViews, ...gone],
      trigger: omission?.triggers ?? [],
    }),
  };
}

export async function dumpedContents(
  report: string,
  before: Outside,
  readAfter: () => Promise<Outside>,
  dumpEnded: Promise<readonly (readonly StageResult[])[]>,
): Promise<Contents> {
  const [results] = await dumpEnded;
  // the reader of the dump reports its failure; there is nothing to count in it
  if (results?.[0]?.exitCode !== 0) return { tables: [], sequences: [] };
  const after = await readAfter();
  const valuesAfter = new Map(after.sequences.map((s) => [s.sequence, s.value]));
  const sequences = before.sequences.map((s) => {
    const valueAtEnd = valuesAfter.get(s.sequence);
    return valueAtEnd === undefined || valueAtEnd === s.value ? s : { ...s, valueAtEnd };
  });
  // what was made or dropped meanwhile may or may not be in the dump
  const isSteady = isDeepStrictEqual(before.codeObjects, after.codeObjects);
  return {
    ...parseCounts(await readFile(report, 'utf8'), before.source),
    sequences,
    ...(isSteady ? { codeObjects: before.codeObjects } : {}),
  };
}

function parseCounts(report: string, source: DatabaseSource): Pick<Contents, 'tables' | 'longestRowBytes'> {
  const lines = report.trimEnd().split('\n');
  if (lines.at(-1) !== 'end') {
    log.warn(
      `${source.name}: this mariadb-dump writes rows in a form that cannot be counted; the manifest has no counts`,
    );
    return { tables: [] };
  }
  const tables = lines.slice(0, -2).map((line) => {
    const [name = '', rows] = line.split(' ');
    return { table: displayName(Buffer.from(name, 'hex').toString('utf8')), rows: Number(rows) };
  });
  return { tables, longestRowBytes: Number(lines.at(-2)?.split(' ')[1]) };
}
