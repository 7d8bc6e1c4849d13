import type { Options } from './options.ts';
import { source, verb } from './ours.ts';
import { comparison, nodePeakBytes, type Section, type Target } from './report.ts';
import { inTurns, type Runs, ratio } from './rounds.ts';
import type { TestBed } from './test-bed.ts';

interface Candidate {
  readonly name: string;
  readonly needs: readonly string[];
  /** Restores the file `dump` into the new database `restored`. */
  readonly script: (dump: string) => string;
}

const PLAIN = 'gunzip -c \\| psql';
const PSQL = 'psql -X -q -v ON_ERROR_STOP=1 -d restored -o /dev/null';
const OURS = 'ours, --to (with ANALYZE, digest and row counts)';
const SWAP = 'ours, until the service is back (swapped in)';
const DRILL = 'ours, drill (on a throwaway server, with every check)';
const CREATE = 'createdb -T template0 restored';

const CANDIDATES: readonly Candidate[] = [
  { name: PLAIN, needs: ['gunzip'], script: (dump) => `${CREATE} && gunzip -c ${dump} | ${PSQL}` },
  {
    name: 'gunzip -c \\| psql, then ANALYZE',
    needs: ['gunzip'],
    script: (dump) => `${CREATE} && gunzip -c ${dump} | ${PSQL} && ${PSQL} -c analyze`,
  },
  { name: 'igzip -dc \\| psql -1', needs: ['igzip'], script: (dump) => `${CREATE} && igzip -dc ${dump} | ${PSQL} -1` },
  { name: OURS, needs: [], script: () => verb('restore', 'latest', '--to', 'restored', '--json') },
  { name: SWAP, needs: [], script: () => verb('restore', 'latest', '--json') },
  { name: DRILL, needs: [], script: () => verb('drill', 'latest', '--json') },
];

/** Restores one backup in every way, each time into a new database. */
export async function benchRestores(bed: TestBed, database: string, options: Options): Promise<Section> {
  const env = { ...source(bed, database), BACKUP_DIR: bed.empty('backups') };
  const backup = await bed.run(verb('backup', '--json'), env);
  const { results: backups } = JSON.parse(backup.stdout) as { results: { key: string }[] };
  const dump = `${env.BACKUP_DIR}/${backups[0]?.key}`;

  const wanted = CANDIDATES.filter(({ name }) => name === PLAIN || options.only.some((text) => name.includes(text)));
  const able = wanted.filter(({ needs }) => needs.every(bed.has));
  const results = await inTurns(able, options.rounds, async (candidate) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(candidate.script(dump), env);
    await dropAllBut(bed, database);
    if (candidate.name !== SWAP) return measured;
    // what follows it, the safety backup, nobody waits for
    const { durationMs } = JSON.parse(measured.stdout) as { durationMs: number };
    return { ...measured, wallS: durationMs / 1_000 };
  });
  bed.empty('backups');
  return {
    title: 'Restore',
    body: `${comparison(results)}\n\nCPU seconds of the swap hold those of the safety backup that follows it; its wall time does not. A drill's throwaway server is part of its tree.`,
    targets: targetsOf(results),
  };
}

function targetsOf(results: readonly Runs[]): Target[] {
  const [plain, ...rest] = results;
  const [restored, drilled] = [OURS, DRILL].map((name) => rest.find((runs) => runs.name === name));
  const drill: Target[] =
    restored && drilled
      ? [{ what: 'drill to restoring alone (--to)', reached: ratio(drilled, restored), atMost: 1.25, unit: '×' }]
      : [];
  const restores = rest
    .filter(({ name }) => name === OURS || name === SWAP)
    .flatMap((runs) => [
      { what: `restore (${runs.name}) to \`${PLAIN}\``, reached: ratio(runs, plain ?? runs), atMost: 1, unit: '×' },
      { what: `node's peak memory (${runs.name})`, reached: nodePeakBytes(runs) / 1e6, atMost: 220, unit: 'MB' },
    ]);
  return [...restores, ...drill];
}

async function dropAllBut(bed: TestBed, database: string): Promise<void> {
  const rows = await bed.query<{ datname: string }>(
    'postgres',
    `select datname from pg_database where datname = 'restored' or datname like '${database}\\_previous\\_%'`,
  );
  for (const { datname } of rows) await bed.query('postgres', `drop database ${datname} with (force)`);
}
