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
 * the product has to look with. In the first format it is looked into and compared with the live one, too.
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
    const found = await inFormat(bed, database, format, { before, copied, isLookedInto: format === formats[0] });
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
  { before, copied, isLookedInto }: { before: Picture; copied: string; isLookedInto: boolean },
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
  const run = async (words: readonly string[]) => {
    const ended = await startVerb(verbs, words, env, { cwd: join(folder, 'cwd'), hungAfterMs: HUNG_AFTER_MS }).ended;
    const { code, stderr, hung } = ended;
    statements = Number(/definitions equal: ([\d,]+)/.exec(stderr)?.[1]?.replaceAll(',', '') ?? statements);
    const failed = `${words.join(' ').slice(0, 200)} ${hung ? 'hung' : `ended with ${code}`}:\n${stderr.trim().slice(-3_000)}`;
    return { ...ended, failed };
  };
  const verb = async (words: string, says?: RegExp): Promise<boolean> => {
    const { code, stderr, failed } = await run(words.split(' '));
    if (code === 0 && (says === undefined || says.test(stderr))) return true;
    problems.push(failed);
    return false;
  };
  /** The document of a verb that has to succeed. */
  const ask = async (...words: string[]): Promise<unknown> => {
    const { code, stdout, failed } = await run([...words, '--json']);
    if (code === 0) return JSON.parse(stdout);
    problems.push(failed);
    return undefined;
  };
  const look = async (when: string) =>
    problems.push(...differences(before, copied, await server.picture(database)).map((one) => `${when}: ${one}`));
  try {
    if (await verb('backup')) {
      await verb('drill', /passed, equal: /);
      if (isLookedInto) problems.push(...(await lookInto(ask, server, database, before)));
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

interface Difference {
  readonly name: string;
  readonly change: string;
  readonly rows: { readonly from: number | null; readonly to: number | null };
  readonly definition: readonly string[];
}

/** Counts all rows in a look, and looks for changes where there are none and where there is one. */
async function lookInto(
  ask: (...words: string[]) => Promise<unknown>,
  server: Server,
  database: string,
  { counting, rows }: Picture,
): Promise<string[]> {
  const problems: string[] = [];
  const looked = (await ask('look', 'latest', '--query', counting)) as { rows: { rows: string }[] } | undefined;
  const found = looked?.rows[0]?.rows;
  if (looked && found !== String(rows)) problems.push(`look: ${found} rows in all, and there are ${rows}`);
  // how much room a table takes changes by itself, as it is vacuumed
  const changes = async () =>
    ((await ask('diff', 'latest', '--live')) as { changes: Difference[] } | undefined)?.changes
      .filter(
        ({ change, rows: { from, to }, definition }) => change !== 'changed' || from !== to || definition.length > 0,
      )
      .map(({ name, change, definition }) => [change, name, ...definition].join(' '));
  const none = await changes();
  if (none && none.length > 0) problems.push(`diff: nothing has changed, and it says: ${none.join(', ')}`);
  // apart from what is the application's
  const [make, drop] =
    server.engine === 'postgres'
      ? [
          ['create schema looked_into', 'create table looked_into.looked_into (n int)'],
          ['drop schema looked_into cascade'],
        ]
      : [['create table looked_into (n int)'], ['drop table looked_into']];
  await server.apply(database, make);
  const one = await changes();
  await server.apply(database, drop);
  if (one && !(one.length === 1 && one[0]?.startsWith('added ') && one[0].includes('looked_into')))
    problems.push(`diff: a table was added, and it says: ${one.join(', ')}`);
  return problems;
}
