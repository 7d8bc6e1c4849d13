import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { encodeManifest } from '../../scripts/lib/repository/manifest-text.ts';
import { dataKey, manifestKey, stemOf } from '../../scripts/lib/repository/object-key.ts';
import { outlineLine } from '../../scripts/lib/repository/outline.ts';
import type { Options } from './options.ts';
import { bareVerb, source, verb } from './ours.ts';
import { comparison, type Section } from './report.ts';
import { inTurns, of, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { Sized, TestBed } from './test-bed.ts';

const LOAD = "ours, drill, nothing compared (its load, and the server's checks)";
const LOOK = 'ours, look, until it has answered one query';
const DIFF = 'ours, diff of two manifests';
const TABLES = 10_000;
/** Of these the rows changed in between. */
const CHANGED_EVERY = 10;
/** As many respects as a table has, as long as they are in a manifest. */
const PARTS = Object.fromEntries(
  ['columns', 'constraints', 'indexes', 'rules', 'rights'].map((name) => [name, '1a2b3c4d']),
);
const DAY_MS = 86_400_000;

/** A look beside the drill of the same backup, and what changed between two backups of very many tables. */
export async function benchLooks(bed: TestBed, { name: database }: Sized, options: Options): Promise<Section> {
  const env = { ...source(bed, database), BACKUP_DIR: bed.empty('backups') };
  await bed.run(verb('backup'), env);
  const candidates = [
    { name: LOAD, script: bareVerb('drill', 'latest', '--json') },
    { name: LOOK, script: verb('look', 'latest', '--query', 'select 1', '--csv') },
  ];
  const looks = await inTurns(candidates, options.rounds, ({ script }) => bed.run(script, env));
  bed.empty('backups');
  const folder = bed.empty('manifests');
  const ofMany = { ...env, BACKUP_DIR: folder };
  // a key's time is one of whole seconds
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  for (const days of [2, 1]) writeBackup(folder, database, new Date(now - days * DAY_MS), days);
  const diffs = await inTurns(
    [{ name: DIFF, script: verb('diff', 'latest', '--json') }],
    options.rounds,
    ({ script }) => bed.run(`${script} >/dev/null`, ofMany),
  );
  bed.empty('manifests');
  const targets: Target[] = [];
  const [load, look] = looks;
  if (load && look)
    targets.push({ what: "look, to a drill's load", reached: ratio(look, load), atMost: WANTED.look, unit: '×' });
  for (const runs of diffs)
    targets.push({
      what: `diff of ${TABLES} tables`,
      reached: of(runs, ({ wallS }) => wallS),
      atMost: WANTED.diffS,
      unit: 's',
    });
  return {
    title: 'Looks, and what changed',
    body: [
      comparison(looks),
      comparison(diffs),
      `The diff is of ${TABLES} tables, of which every ${CHANGED_EVERY}th has other rows.`,
    ].join('\n\n'),
    targets,
  };
}

function writeBackup(folder: string, database: string, at: Date, days: number): void {
  const time = at.toISOString();
  const stem = stemOf('', database, at);
  const sha256 = createHash('sha256').digest('hex');
  const names = Array.from({ length: TABLES }, (_, n) => `public.table_${n}`);
  const manifest: Manifest = {
    version: 1,
    source: database,
    engine: 'postgres',
    database,
    kind: 'backup',
    createdAt: time,
    startedAt: time,
    finishedAt: time,
    serverVersion: '18.1',
    clientVersion: '18.1',
    format: 'sql',
    compression: 'gzip',
    encryption: null,
    objects: [{ name: `${basename(stem)}.sql.gz`, sizeBytes: 0, sha256 }],
    rawBytes: 0,
    tables: names.map((table, n) => ({ table, rows: n % CHANGED_EVERY === 0 ? n + days : n })),
    sequences: [],
    outline: Object.fromEntries(names.map((name) => [`table ${name}`, outlineLine({ bytes: 81_920, parts: PARTS })])),
  };
  for (const [key, content] of [
    [dataKey(stem, 'sql.gz'), ''],
    [manifestKey(stem), encodeManifest(manifest)],
  ] as const) {
    const path = join(folder, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}
