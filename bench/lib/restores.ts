import type { Options } from './options.ts';
import { bareVerb, source, verb } from './ours.ts';
import { comparison, mb, nodePeakBytes, type Section, temporaryMb } from './report.ts';
import { inTurns, type Runs, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { Sized, TestBed } from './test-bed.ts';

/** The same database, in every form that a candidate restores. */
interface Dumps {
  readonly sqlKey: string;
  readonly sqlFile: string;
  readonly folderKey: string;
  /** What `pg_dump -Fd` wrote. */
  readonly directory: string;
}

interface Candidate {
  readonly name: string;
  readonly needs: readonly string[];
  /** Runs only where it is asked for by name. */
  readonly isOptional?: boolean;
  /** Restores into the new database `restored`. */
  readonly script: (dumps: Dumps) => string;
  readonly env?: Record<string, string>;
}

/** How often a drill may take as long as one that compares no rows and definitions. */
const COMPARED_WANTED = 1.6;

const PLAIN = 'gunzip -c | psql';
const PSQL = 'psql -X -q -v ON_ERROR_STOP=1 -d restored -o /dev/null';
const OURS = 'ours, --to (ANALYZE and every check)';
const SWAP = 'ours, swapped in, until the service is back';
const DRILL = 'ours, drill (on a throwaway server)';
const BARE_DRILL = 'ours, drill, nothing compared (for the cost of that)';
const FOLDER = 'ours, folder, --to (ANALYZE and every check)';
const FOLDER_SWAP = 'ours, folder, swapped in, until it is back';
const NOTE =
  "The check is of the digest and of every row count. CPU seconds of a swap hold those of the safety backup that follows it; its wall time does not. A drill's throwaway server is part of its tree, and its files are temporary ones. pgBackRest, WAL-G and Barman restore a cluster, not a database: see the backups.";
const CREATE = 'createdb -T template0 restored';

const CANDIDATES: readonly Candidate[] = [
  { name: PLAIN, needs: ['gunzip'], script: ({ sqlFile }) => `${CREATE} && gunzip -c ${sqlFile} | ${PSQL}` },
  {
    name: 'gunzip -c | psql, then ANALYZE',
    needs: ['gunzip'],
    isOptional: true,
    script: ({ sqlFile }) => `${CREATE} && gunzip -c ${sqlFile} | ${PSQL} && ${PSQL} -c analyze`,
  },
  {
    name: 'igzip -dc | psql -1',
    needs: ['igzip'],
    isOptional: true,
    script: ({ sqlFile }) => `${CREATE} && igzip -dc ${sqlFile} | ${PSQL} -1`,
  },
  {
    name: 'pg_restore -j2 (of -Fd), then ANALYZE',
    needs: [],
    script: ({ directory }) => `${CREATE} && pg_restore -j2 -d restored ${directory} && vacuumdb -q -Z -j2 restored`,
  },
  { name: OURS, needs: [], script: ({ sqlKey }) => verb('restore', sqlKey, '--to', 'restored', '--json') },
  { name: SWAP, needs: [], isOptional: true, script: ({ sqlKey }) => verb('restore', sqlKey, '--json') },
  {
    name: FOLDER,
    needs: [],
    script: ({ folderKey }) => verb('restore', folderKey, '--to', 'restored', '--json'),
    env: { BACKUP_JOBS: '2' },
  },
  {
    name: FOLDER_SWAP,
    needs: [],
    script: ({ folderKey }) => verb('restore', folderKey, '--json'),
    env: { BACKUP_JOBS: '2' },
  },
  { name: DRILL, needs: [], isOptional: true, script: ({ sqlKey }) => verb('drill', sqlKey, '--json') },
  { name: BARE_DRILL, needs: [], isOptional: true, script: ({ sqlKey }) => bareVerb('drill', sqlKey, '--json') },
];

/** Restores one backup in every way, each time into a new database. */
export async function benchRestores(
  bed: TestBed,
  { name: database, dumpBytes }: Sized,
  options: Options,
): Promise<Section> {
  const env = { ...source(bed, database), BACKUP_DIR: bed.empty('backups') };
  const dumps = await makeDumps(bed, database, env);

  const wanted = CANDIDATES.filter(
    ({ name, isOptional }) =>
      name === PLAIN || (options.only.length === 0 ? !isOptional : options.only.some((text) => name.includes(text))),
  );
  const able = wanted.filter(({ needs }) => needs.every(bed.has));
  const results = await inTurns(able, options.rounds, async (candidate) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(candidate.script(dumps), { ...env, ...candidate.env }, { target: env.BACKUP_DIR });
    await dropAllBut(bed, database);
    if (candidate.name !== SWAP && candidate.name !== FOLDER_SWAP) return measured;
    // what follows it, the safety backup, nobody waits for
    const { durationMs } = JSON.parse(measured.stdout) as { durationMs: number };
    return { ...measured, wallS: durationMs / 1_000 };
  });
  const note = `a plain dump of ${mb(dumpBytes)} MB`;
  bed.empty('backups');
  bed.empty('directory');
  return {
    title: 'Restore',
    body: `${comparison(results)}\n\n${NOTE}`,
    targets: targetsOf(results),
    chart: { file: 'restore-speed', title: 'Restore of one PostgreSQL database', note, results },
  };
}

async function makeDumps(
  bed: TestBed,
  database: string,
  env: Record<string, string> & { BACKUP_DIR: string },
): Promise<Dumps> {
  const keyOf = async (more: Record<string, string>) => {
    const { stdout } = await bed.run(verb('backup', '--json'), { ...env, ...more });
    const { results } = JSON.parse(stdout) as { results: { key: string }[] };
    return results[0]?.key ?? '';
  };
  const sqlKey = await keyOf({});
  const folderKey = await keyOf({ BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' });
  const directory = `${bed.empty('directory')}/d`;
  await bed.run(`pg_dump -Fd -j2 -f ${directory} ${database}`);
  return { sqlKey, sqlFile: `${env.BACKUP_DIR}/${sqlKey}`, folderKey, directory };
}

function targetsOf(results: readonly Runs[]): Target[] {
  const [plain, ...rest] = results;
  const targets: Target[] = [];
  for (const runs of rest) {
    if (!plain || ![OURS, SWAP, FOLDER, FOLDER_SWAP].includes(runs.name)) continue;
    const { name } = runs;
    targets.push(
      { what: `restore (${name}) to \`${PLAIN}\``, reached: ratio(runs, plain), atMost: WANTED.restore, unit: '×' },
      {
        what: `node's peak memory (${name})`,
        reached: nodePeakBytes(runs) / 1e6,
        atMost: WANTED.nodePeakMb,
        unit: 'MB',
      },
      { what: `temporary disk (${name})`, reached: temporaryMb(runs), atMost: WANTED.temporaryMb, unit: 'MB' },
    );
  }
  const [bare, drilled] = [BARE_DRILL, DRILL].map((name) => rest.find((runs) => runs.name === name));
  if (bare && drilled)
    targets.push({
      what: 'drill to one that compares nothing',
      reached: ratio(drilled, bare),
      atMost: COMPARED_WANTED,
      unit: '×',
    });
  return targets;
}

/** Drops what a restore of the database made. */
export async function dropAllBut(bed: TestBed, database: string): Promise<void> {
  const rows = await bed.query<{ datname: string }>(
    'postgres',
    `select datname from pg_database where datname = 'restored' or datname like '${database}\\_previous\\_%'`,
  );
  for (const { datname } of rows) await bed.query('postgres', `drop database ${datname} with (force)`);
}
