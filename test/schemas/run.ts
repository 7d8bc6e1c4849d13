import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { bundledVerbs } from '../faults/verbs.ts';
import { APPLICATIONS, type Application } from './applications.ts';
import { FORMATS, type Result, takeThrough } from './course.ts';
import { makeDatabase } from './make-database.ts';
import { cacheFolder, NotFetched } from './packages.ts';
import { startMariaDbServer } from './server-mariadb.ts';
import { startPostgresServer } from './server-postgres.ts';
import type { Server } from './servers.ts';
import { tableOf } from './table.ts';

/** With fewer applications than these a run proves too little. */
const ENOUGH = 15;

const HELP = `
make test-schemas [APP=words of a name,of another] [ENGINE=postgres|mariadb] [FORMAT=sql|custom|folder] [SCHEMAS_CACHE=folder]

Makes the databases of applications that people back up, from packages of registries, and takes each through backup, drill,
restore and undo in every format. Fails when anything differs, or when fewer than ${ENOUGH} applications could be had.
`;

interface Run {
  readonly verbs: string;
  readonly cache: string;
  readonly format: string | undefined;
  readonly results: Result[];
  readonly leftOut: { readonly application: Application; readonly reason: string }[];
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function titleOf({ name, engine }: Application): string {
  return `${name} (${engine})`;
}

function wantedApplications({ APP = '', ENGINE = '', FORMAT = '' }: NodeJS.ProcessEnv): Application[] {
  const wanted = APPLICATIONS.filter(
    ({ name, engine }) =>
      APP.split(',').some((words) => name.toLowerCase().includes(words.trim().toLowerCase())) &&
      (ENGINE === '' || engine === ENGINE) &&
      (FORMAT === '' || (FORMATS[engine] as readonly string[]).includes(FORMAT)),
  );
  if (wanted.length === 0)
    throw new Error(`no application is of APP=${APP} ENGINE=${ENGINE} FORMAT=${FORMAT}\n${HELP}`);
  return wanted;
}

async function main(): Promise<number> {
  const wanted = wantedApplications(process.env);
  setChildEnvironment(process.env);
  const startedAt = Date.now();
  const verbs = await bundledVerbs();
  const format = process.env.FORMAT || undefined;
  const run: Run = { verbs: verbs.folder, cache: cacheFolder(process.env), format, results: [], leftOut: [] };
  try {
    for (const start of [startPostgresServer, startMariaDbServer]) await onServer(start, wanted, run);
  } finally {
    verbs.remove();
  }
  say(`\n${tableOf(run.results)}`);
  for (const { application, reason } of run.leftOut) say(`left out: ${titleOf(application)}: ${reason}`);
  const failed = run.results
    .filter(({ problems }) => problems.length > 0)
    .map(({ application }) => titleOf(application));
  const names = new Set(run.results.map(({ application }) => application.name));
  if (wanted.length === APPLICATIONS.length && names.size < ENOUGH)
    failed.push(`only ${names.size} applications could be had, and ${ENOUGH} are needed`);
  for (const each of failed) say(`FAILED: ${each}`);
  say(`${names.size} applications, took ${Math.round((Date.now() - startedAt) / 1_000)} s`);
  say(
    `\n${run.results.filter(({ problems }) => problems.length === 0).length} passed, ${failed.length} failed, ${run.leftOut.length} skipped`,
  );
  return failed.length > 0 ? 1 : 0;
}

async function onServer(start: () => Promise<Server>, wanted: readonly Application[], run: Run): Promise<void> {
  const engine = start === startPostgresServer ? 'postgres' : 'mariadb';
  const applications = wanted.filter((each) => each.engine === engine);
  if (applications.length === 0) return;
  const server = await start();
  say(`${engine} ${server.version}: ${applications.length} applications`);
  try {
    for (const [n, application] of applications.entries()) {
      const database = `app${n + 1}_`;
      try {
        await one(server, application, database, run);
      } finally {
        await server.drop(database);
      }
    }
  } finally {
    await server.stop();
  }
}

async function one(server: Server, application: Application, database: string, run: Run): Promise<void> {
  try {
    const emptyTables = await makeDatabase(server, application, database, run.cache);
    const formats = run.format ? [run.format] : FORMATS[server.engine];
    const result = {
      ...(await takeThrough({ verbs: run.verbs, server }, application, database, formats)),
      emptyTables,
    };
    run.results.push(result);
    const verdict = result.problems.length === 0 ? 'equal' : 'DIFFERS';
    say(`${verdict}: ${titleOf(application)}, ${result.tables} tables, ${result.rows} rows`);
    for (const problem of result.problems) say(`  ${problem.replaceAll('\n', '\n    ')}`);
    for (const problem of result.known) say(`  known, ${application.known?.why}: ${problem}`);
  } catch (error) {
    if (!(error instanceof NotFetched)) throw error;
    run.leftOut.push({ application, reason: error.message });
    say(`left out: ${titleOf(application)}: ${error.message}`);
  }
}

process.exitCode = await main();
