import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, startVerb } from '../faults/verbs.ts';
import type { Application } from './applications.ts';
import { differences } from './differences.ts';
import type { Picture, Server } from './servers.ts';

/** The formats that an engine dumps in. */
export const FORMATS = { postgres: ['sql', 'custom', 'folder'], mariadb: ['sql'] } as const;

/** What came of an application. */
export interface Result {
  readonly application: Application;
  readonly tables: number;
  readonly rows: number;
  readonly emptyTables: readonly string[];
  readonly statements: number;
  /** By format: whether all went well and everything was the same. */
  readonly formats: Readonly<Record<string, boolean>>;
  readonly problems: readonly string[];
  /** Problems that were known before. */
  readonly known: readonly string[];
}

const HUNG_AFTER_MS = 300_000;

/** Where verbs, servers and definitions are. */
export interface Bed {
  readonly verbs: string;
  readonly server: Server;
}

/**
 * Takes a database through backup, drill, restore and undo in each format, and looks at it before and after without what
 * the product has to look with.
 */
export async function takeThrough(
  bed: Bed,
  application: Application,
  database: string,
  formats: readonly string[] = FORMATS[bed.server.engine],
): Promise<Omit<Result, 'emptyTables'>> {
  const { server } = bed;
  const before = await server.picture(database);
  const copied = await server.copiedDefinitions(database);
  const problems: string[] = [];
  const known: string[] = [];
  const equal: Record<string, boolean> = {};
  let statements = 0;
  for (const format of formats) {
    const found = await inFormat(bed, database, format, { before, copied });
    statements = found.statements;
    const expected = found.problems.filter((problem) => application.known?.difference.test(problem));
    known.push(...expected.map((problem) => `${format}: ${problem}`));
    problems.push(
      ...found.problems.filter((problem) => !expected.includes(problem)).map((problem) => `${format}: ${problem}`),
    );
    if (application.known && expected.length === 0)
      problems.push(`${format}: what was known to differ no longer does; take it out: ${application.known.why}`);
    equal[format] = found.problems.length === 0;
    await server.drop(`${database}_`);
  }
  return { application, tables: before.tables, rows: before.rows, statements, formats: equal, problems, known };
}

async function inFormat(
  { verbs, server }: Bed,
  database: string,
  format: string,
  { before, copied }: { before: Picture; copied: string },
): Promise<{ statements: number; problems: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'schemas-'));
  // as root, a drill's server runs as somebody else
  chmodSync(folder, 0o755);
  for (const name of ['backups', 'cwd', 'drill']) mkdirSync(join(folder, name));
  chmodSync(join(folder, 'drill'), 0o1777);
  const env: Environment = {
    BACKUP_SOURCE_SHOP: server.url(database, format),
    BACKUP_DIR: join(folder, 'backups'),
    DRILL_DIR: join(folder, 'drill'),
    BACKUP_JOBS: '2',
  };
  const problems: string[] = [];
  let statements = 0;
  const verb = async (words: string, says?: RegExp): Promise<boolean> => {
    const { code, stderr, hung } = await startVerb(verbs, words.split(' '), env, {
      cwd: join(folder, 'cwd'),
      hungAfterMs: HUNG_AFTER_MS,
    }).ended;
    statements = Number(/definitions equal: ([\d,]+)/.exec(stderr)?.[1]?.replaceAll(',', '') ?? statements);
    if (code === 0 && (says === undefined || says.test(stderr))) return true;
    problems.push(`${words} ${hung ? 'hung' : `ended with ${code}`}:\n${stderr.trim().slice(-3_000)}`);
    return false;
  };
  const look = async (when: string) =>
    problems.push(...differences(before, copied, await server.picture(database)).map((one) => `${when}: ${one}`));
  try {
    if (await verb('backup')) {
      await verb('drill', /passed, equal: /);
      if (await verb('restore latest --compare', /content equal: /)) {
        await look('restored');
        if (await verb('restore --undo')) await look('undone');
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { statements, problems };
}
