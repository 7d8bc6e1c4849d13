import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBytes, formatDuration } from '../../scripts/lib/quantities.ts';
import { type Fingerprint, fingerprint } from './fingerprint.ts';
import * as page from './page.ts';
import { DATABASE, notShown, type Place } from './place.ts';

/** What `list --json` says of a backup, as far as the story goes. */
interface Listed {
  readonly key: string;
  readonly source: string;
  readonly kind: string;
  readonly sizeBytes: number;
  readonly manifest: boolean;
}

const SCRATCH = 'scratch';
const MISTAKES = ['delete from order_items;', 'drop table invoices cascade;'] as const;

/**
 * The main job, start to finish: data, a backup, a mistake, a restore, and the proof at each step. Whatever is claimed
 * was computed a moment before.
 *
 * @throws OperatorError as soon as something is not as it should be
 */
export async function tellStory(place: Place): Promise<void> {
  for (const sentence of place.about) page.say(sentence);

  page.step(2, 'Fill it with data');
  const filled = Date.now();
  await place.psql(DATABASE, readFileSync(new URL('./shop.sql', import.meta.url), 'utf8'));
  const whole = await fingerprint(place, DATABASE);
  page.say(`A small shop, the same at every run; filled in ${formatDuration(Date.now() - filled)}.`);
  await showCustomers(place);
  page.pause();
  showCounts(whole);

  page.step(3, 'Back it up');
  page.say(
    'Streamed into the storage, with no file in between. Nothing counts as a backup until the dump is complete.',
  );
  await showVerb(place, 'make backup', 'backup');
  const backup = await theBackup(place);
  page.proved(`it is in the storage, with its manifest: ${formatBytes(backup.sizeBytes)}`);

  page.step(4, 'See what there is');
  await showVerb(place, 'make list-backups', 'list');

  page.step(5, 'Make a mistake');
  page.say('It is late, and somebody forgets a WHERE. Then somebody takes this database for the test database.');
  const wrecked = await makeMistakes(place, whole);

  page.step(6, 'Restore');
  page.say(
    'The backup goes into a second database beside the live one, is held against its manifest, and only then takes its place. The one it replaces is kept, and dumped as a safety backup.',
  );
  await showVerb(place, 'make restore FILE=latest', 'restore', ['latest']);
  await expectKept(place);

  page.step(7, 'The proof');
  await expectState(place, DATABASE, whole, 'the shop is as it was before the mistake', 'step 2');
  page.pause();
  showComparison(whole, wrecked, await fingerprint(place, DATABASE));

  page.step(8, 'Undo the restore');
  page.say('Was it the wrong backup? The replaced database is still there, mistake and all.');
  await showVerb(place, 'make restore-undo', 'restore', ['--undo']);
  await expectState(place, DATABASE, wrecked, 'the undone restore left what the mistake had left', 'step 5');

  page.step(9, 'And restore again, by its key');
  await showVerb(place, `make restore FILE=${backup.key}`, 'restore', [backup.key]);
  await expectState(place, DATABASE, whole, 'the shop is as it was before the mistake', 'step 2');

  if (place.takesLog) {
    page.step(10, 'And what was written after the backup');
    await bringBackTheRest(place);
  }

  if (place.byHand) {
    page.step(place.takesLog ? 11 : 10, 'Without this tool');
    page.say('A backup is plain SQL, compressed by gzip. Should this project be gone one day, this is the way:');
    await place.byHand(backup.key, SCRATCH);
    page.typed(`gunzip -c ${backup.key} | psql ${SCRATCH}`);
    await expectState(place, SCRATCH, whole, 'a database made by gunzip and psql holds the same', 'step 2');
  }
}

/** Rows that are in no backup, a mistake, and the moment between the two. */
async function bringBackTheRest(place: Place): Promise<void> {
  page.say(
    'A backup has what was there when it was taken. The log of the server has the rest: it is stored as it is written, and any second of it can be restored.',
  );
  page.typed(`psql ${DATABASE}`);
  page.output(LATER);
  await place.psql(DATABASE, LATER);
  const later = await fingerprint(place, DATABASE);
  const moment = (await place.psql(DATABASE, NOW, ['--no-align', '--tuples-only'])).trim();
  page.say(`It is ${moment}, and no backup has these rows. Then somebody forgets a WHERE again.`);
  const wrecked = await makeMistakes(place, later);
  await untilStored(place, moment);
  await showVerb(place, `make commits AT=${moment}`, 'commits', ['--at', moment, '--for', '1m']);
  await showVerb(place, `make restore AT=${moment}`, 'restore', ['--at', moment]);
  await expectState(place, DATABASE, later, 'every row written after the backup is back', 'the moment before');
  page.pause();
  showComparison(later, wrecked, await fingerprint(place, DATABASE));
}

const LATER = `insert into products (id, sku, name, price, attributes)
  select n, 'NEW-' || n, 'New this evening', 9.90, '{}'
  from generate_series(1001, 1250) n;`;
const NOW = `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
/** Seconds, on a machine that has nothing else to do. */
const STORED_WITHIN_MS = 180_000;

/** Waits until the log is stored up to a moment, as far as a listing tells. */
async function untilStored(place: Place, moment: string): Promise<void> {
  for (const deadline = Date.now() + STORED_WITHIN_MS; ; ) {
    const { servers } = JSON.parse((await place.verb('list', ['--pitr', '--json'])).stdout);
    const to = servers[0]?.recoverable.at(-1)?.to;
    if (to !== undefined && new Date(to) > new Date(moment)) return;
    if (Date.now() > deadline)
      throw notShown('the log is stored', `it is stored up to ${to ?? 'nowhere'}, not to ${moment}`);
    await sleep(500);
  }
}

/** What is said when all is taken down again: what was not shown, and where to go from here. */
export function sayGoodbye(place: Place): void {
  page.heading('All of it is gone again');
  page.proved(`removed: ${place.removed}`);

  page.heading('What this left out');
  for (const sentence of place.leftOut) page.item(sentence);

  page.heading('What to do next');
  for (const [command, meaning] of [
    ['cp .env.example .env', 'then set your database, storage and secrets'],
    ['make up', 'start the stack: a backup every hour'],
    ['make backup', 'take one now'],
    ['make list-backups', 'see what there is'],
    ['make restore FILE=latest', 'bring the newest back'],
    ['make restore AT=<time>', 'any second of the last days, as it was then'],
  ] as const) {
    page.output(`$ ${command.padEnd(26)}${meaning}`);
  }
  page.pause();
  page.say('README.md tells how to add it to a compose project that you have.');
}

async function showVerb(place: Place, command: string, verb: string, args: readonly string[] = []): Promise<void> {
  page.typed(command);
  const { stdout, stderr } = await place.verb(verb, args);
  page.output([stderr, stdout].filter((text) => text.trim() !== '').join('\n'));
  page.pause();
}

async function showCustomers(place: Place): Promise<void> {
  const sql = 'select name, email, country from customers limit 4;';
  page.typed(`psql ${DATABASE} -c '${sql}'`);
  page.output(await place.psql(DATABASE, sql));
}

const figure = (n: number) => n.toLocaleString('en-US');

function showCounts(state: Fingerprint): void {
  page.table([
    ['table', 'rows'],
    ...state.tables.map(({ name, rows }) => [name, figure(rows)]),
    ['large objects', figure(state.largeObjects)],
    ['sequences', figure(state.sequences)],
    ['definitions', figure(state.definitions)],
  ]);
  page.pause();
  page.say(
    'SHA-256 of every row, large object and sequence, and of all definitions (columns, constraints, indexes, triggers, views, functions):',
  );
  page.output(state.digest);
}

/** The backup that was just taken. */
async function theBackup(place: Place): Promise<Listed> {
  const backups = await list(place);
  const [backup] = backups;
  if (backups.length !== 1 || backup?.source !== DATABASE || !backup.manifest || backup.sizeBytes === 0) {
    throw notShown('a backup is in the storage', `the list holds ${JSON.stringify(backups)}`);
  }
  return backup;
}

async function list(place: Place): Promise<Listed[]> {
  return JSON.parse((await place.verb('list', ['--json'])).stdout) as Listed[];
}

async function makeMistakes(place: Place, before: Fingerprint): Promise<Fingerprint> {
  for (const sql of MISTAKES) {
    page.typed(`psql ${DATABASE} -c '${sql}'`);
    // what psql --quiet leaves unsaid is the point here
    page.output(await place.psql(DATABASE, `\\set QUIET off\n${sql}`));
  }
  page.pause();
  const after = await fingerprint(place, DATABASE);
  if (after.digest === before.digest) throw notShown('data is lost', 'the database is as it was before the mistake');
  showComparison(before, after);
  return after;
}

/** Rows per table in each of the states, one column each. */
function showComparison(...states: readonly Fingerprint[]): void {
  const heads = ['before', 'mistake', 'restored'];
  const [first] = states;
  if (!first) return;
  const rowsOf = (state: Fingerprint, name: string) => {
    const found = state.tables.find((table) => table.name === name);
    return found ? figure(found.rows) : 'gone';
  };
  page.table([
    ['rows', ...states.map((_, i) => heads[i] ?? '')],
    ...first.tables.map(({ name }) => [name, ...states.map((state) => rowsOf(state, name))]),
    ['digest', ...states.map((state) => state.digest.slice(0, 8))],
  ]);
}

async function expectState(
  place: Place,
  database: string,
  expected: Fingerprint,
  claim: string,
  origin: string,
): Promise<void> {
  const found = await fingerprint(place, database);
  if (found.digest !== expected.digest) {
    const rows = (state: Fingerprint) => state.tables.map(({ name, rows: n }) => `${name} ${n}`).join(', ');
    throw notShown(
      claim,
      `the digest is ${found.digest} (${rows(found)}), but at ${origin} it was ${expected.digest} (${rows(expected)})`,
    );
  }
  page.proved(`${claim}: same counts and same digest as in ${origin}`);
  page.output(`     ${found.digest}`);
}

/** After a restore, the replaced database is there twice: as it was, and as a safety backup. */
async function expectKept(place: Place): Promise<void> {
  const sql = `select datname from pg_database where datname like '${DATABASE}\\_previous\\_%'`;
  const kept = (await place.psql('postgres', sql, ['--no-align', '--tuples-only'])).trim();
  const safety = (await list(place)).filter(({ kind, manifest }) => kind === 'pre-restore' && manifest);
  if (kept === '' || kept.includes('\n') || safety.length !== 1) {
    throw notShown('a restore keeps what it replaces', `kept: ${kept || 'nothing'}, safety backups: ${safety.length}`);
  }
  page.proved('the replaced database is kept, and a safety backup of it is in the storage');
}
