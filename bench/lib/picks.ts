import type { Options } from './options.ts';
import { source, verb } from './ours.ts';
import { comparison, mb, type Section } from './report.ts';
import { dropAllBut } from './restores.ts';
import { inTurns, ratio } from './rounds.ts';
import type { TestBed } from './test-bed.ts';

const TABLES = 20;
const DATABASE = 'twenty';
/** About what one row takes in a plain dump. */
const ROW_BYTES = 320;
/** Of the restore of all. */
const WANTED = 0.25;

const WHOLE = 'ours, --to: all twenty tables';
const ONE = 'ours, --table: one of them, every row compared';

/** One table in twenty of equal size, picked out of a backup in the default format, beside the restore of all. */
export async function benchPicks(bed: TestBed, options: Options): Promise<Section> {
  await bed.query('postgres', `create database ${DATABASE}`);
  const rows = Math.round(options.sizeBytes / TABLES / ROW_BYTES);
  for (let n = 0; n < TABLES; n += 1) {
    await bed.query(
      DATABASE,
      `create table t${n} (id bigint generated always as identity primary key, made timestamptz not null, what text not null, note text);
       insert into t${n} (made, what, note) select now() - g * interval '1 minute', md5(g::text), repeat(md5((g * ${n + 7})::text), 7)
         from generate_series(1, ${rows}) g;
       create index on t${n} (made)`,
    );
  }
  const { stdout: bytes } = await bed.run(`pg_dump --dbname=${DATABASE} | wc -c`);
  const env = { ...source(bed, DATABASE), BACKUP_DIR: bed.empty('backups') };
  const { stdout } = await bed.run(verb('backup', '--json'), env);
  const { results } = JSON.parse(stdout) as { results: { key: string }[] };
  const key = results[0]?.key ?? '';
  const candidates = [
    { name: WHOLE, script: verb('restore', key, '--to', 'restored', '--json') },
    { name: ONE, script: verb('restore', key, '--table', 't7', '--to', 'restored', '--json') },
  ];
  const runs = await inTurns(candidates, options.rounds, async ({ script }) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(script, env, { target: env.BACKUP_DIR });
    await dropAllBut(bed, DATABASE);
    return measured;
  });
  bed.empty('backups');
  const [whole, one] = runs;
  return {
    title: 'One table of twenty',
    body: `${comparison(runs)}\n\nA plain dump of ${mb(Number(bytes))} MB, in the default format: definitions and the rows of one table are read and loaded.`,
    targets:
      whole && one
        ? [{ what: 'one table of twenty to the restore of all', reached: ratio(one, whole), atMost: WANTED, unit: '×' }]
        : [],
  };
}
