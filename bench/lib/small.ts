import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startThrowawayServer } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { makeDatabase } from './database.ts';
import type { Options } from './options.ts';
import { source, verb } from './ours.ts';
import { comparison, type Section, seconds, table } from './report.ts';
import { dropAllBut } from './restores.ts';
import { inTurns, median, of, type Runs, ratio } from './rounds.ts';
import type { Target } from './targets.ts';
import { SERVER_SETTINGS, type TestBed } from './test-bed.ts';

/** What ours may take beyond the engine's own programs, in seconds. */
const BEYOND_S = 0.35;
const DATABASES = 200;
const MANY_TO_LOOP = 2;
const STATUS_S = 1;
const A_SECOND_MS = 1_100;

const SMALL = { name: 'small_1mb', bytes: 1e6 };
const MEDIUM = { name: 'small_25mb', bytes: 25e6 };

/** One candidate, and what of the environment it is given. */
interface Candidate {
  readonly name: string;
  readonly script: string;
  readonly env?: Record<string, string>;
}

/** What does not follow the size, where there is little size: one small database, a server of many, and one restored. */
export async function benchSmall(bed: TestBed, options: Options): Promise<Section> {
  for (const { name, bytes } of [SMALL, MEDIUM]) await makeDatabase(bed, name, bytes);
  const backups = await backedUp(bed, options);
  const restores = await restored(bed, options);
  const { results: many, status } = await ofMany(bed, options);
  const [, loop] = many;
  const targets: Target[] = [
    beyond('backup of 1 MB beyond pg_dump | gzip', backups),
    beyond('restore of 25 MB beyond pg_restore -j2', restores),
    ...(many[0] && loop
      ? [
          {
            what: `backup of ${DATABASES} databases to a loop of pg_dump`,
            reached: ratio(loop, many[0]),
            atMost: MANY_TO_LOOP,
            unit: '×',
          },
        ]
      : []),
    {
      what: `status of ${DATABASES} databases`,
      reached: of(status, ({ wallS }) => wallS),
      atMost: STATUS_S,
      unit: 's',
    },
  ];
  return {
    title: 'Small databases',
    body: [
      `A database of 1 MB:\n\n${comparison(backups)}`,
      `One of 25 MB, restored beside the live one:\n\n${comparison(restores)}`,
      `${DATABASES} databases of 1 MB on one server, BACKUP_PARALLEL_SOURCES=1:\n\n${comparison(many)}`,
      table(['status of them', 'wall s (min–max)'], [[status.name, seconds(status)]]),
    ].join('\n\n'),
    targets,
  };
}

async function backedUp(bed: TestBed, options: Options): Promise<Runs[]> {
  const candidates: Candidate[] = [
    { name: 'pg_dump | gzip -1 >/dev/null', script: `pg_dump ${SMALL.name} | gzip -1 >/dev/null` },
    { name: 'ours, gzip, directory', script: verb('backup', '--json'), env: source(bed, SMALL.name) },
  ];
  return inTurns(candidates, Math.max(options.rounds, 7), async ({ script, env = {} }) => {
    // a second backup within the same second would wait for the next one, which names it: no schedule is so close
    await wait(A_SECOND_MS);
    return bed.run(script, { ...env, BACKUP_DIR: bed.empty('out') });
  });
}

async function restored(bed: TestBed, options: Options): Promise<Runs[]> {
  const env = { ...source(bed, MEDIUM.name), BACKUP_DIR: bed.empty('backups') };
  const { stdout } = await bed.run(verb('backup', '--json'), env);
  const { results } = JSON.parse(stdout) as { results: { key: string }[] };
  const archive = join(bed.empty('directory'), 'dump');
  await bed.run(`pg_dump -Fc -Z1 -f ${archive} ${MEDIUM.name}`);
  const candidates: Candidate[] = [
    {
      name: 'pg_restore -j2 (of -Fc)',
      script: `createdb -T template0 restored && pg_restore -j2 -d restored ${archive}`,
    },
    { name: 'ours, --to', script: verb('restore', results[0]?.key ?? '', '--to', 'restored', '--json'), env },
  ];
  return inTurns(candidates, options.rounds, async ({ script, env: own = {} }) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(script, own);
    await dropAllBut(bed, MEDIUM.name);
    return measured;
  });
}

/** On a server that has nothing else: `/*` is all that is there. */
async function ofMany(bed: TestBed, options: Options): Promise<{ results: Runs[]; status: Runs }> {
  const server = await startThrowawayServer({ tcp: true, settings: SERVER_SETTINGS });
  try {
    const at = { PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.user };
    await bed.run('createdb many_1', at);
    await bed.run(`pg_dump --host=${bed.host} --port=${bed.port} ${SMALL.name} | psql -q -X -d many_1`, at);
    const more = `for n in $(seq 2 ${DATABASES}); do createdb -T many_1 many_$n; done`;
    await bed.run(more, at);
    const ours = {
      BACKUP_SOURCE_MANY: `postgres://${server.user}@${server.host}:${server.port}/*`,
      BACKUP_PARALLEL_SOURCES: '1',
    };
    const loop = `for n in $(seq 1 ${DATABASES}); do pg_dump many_$n | gzip -1 >/dev/null; done`;
    const candidates: Candidate[] = [
      { name: 'a loop of pg_dump | gzip -1 >/dev/null', script: loop, env: at },
      { name: 'ours, /*, gzip, directory', script: `${verb('backup', '--json')} >/dev/null`, env: ours },
    ];
    const target = { BACKUP_DIR: bed.empty('many') };
    const results = await inTurns(candidates, Math.min(options.rounds, 3), ({ script, env = {} }) => {
      bed.empty('many');
      return bed.run(script, { ...env, ...target });
    });
    const [status] = await inTurns(
      // 3: it did its work, and found that nothing of it was ever drilled
      [{ name: 'status --json', script: `{ ${verb('status', '--json')} || [ $? = 3 ]; } >/dev/null` }],
      options.rounds,
      ({ script }) => bed.run(script, { ...ours, ...target }),
    );
    return { results, status: status ?? { name: 'status --json', runs: [] } };
  } finally {
    await server.stop();
  }
}

/** By how much the second is slower than the first, turn by turn. */
function beyond(what: string, [first, second]: readonly Runs[]): Target {
  const differences = (second?.runs ?? []).map(({ wallS }, round) => wallS - (first?.runs[round]?.wallS ?? Number.NaN));
  return { what, reached: median(differences), atMost: BEYOND_S, unit: 's' };
}
