#!/usr/bin/env tsx
import { messageOf } from '../scripts/lib/errors.ts';
import { log, print } from '../scripts/lib/terminal/log.ts';
import { benchBackups, benchRivals } from './lib/backups.ts';
import { benchCatalogs } from './lib/catalogs.ts';
import { benchCopies } from './lib/copies.ts';
import { makeDatabase } from './lib/database.ts';
import { documentOf, writeDocuments } from './lib/documents.ts';
import { benchFolders } from './lib/folders.ts';
import { benchGrowth } from './lib/growth.ts';
import { benchLog } from './lib/log.ts';
import { benchLooks } from './lib/looks.ts';
import { describeMachine } from './lib/machine.ts';
import { benchMariaDb } from './lib/mariadb.ts';
import { endAll } from './lib/measure.ts';
import { HELP, type Part, readOptions } from './lib/options.ts';
import { benchPicks } from './lib/picks.ts';
import { mb, type Section } from './lib/report.ts';
import { benchRestores } from './lib/restores.ts';
import { benchSmall } from './lib/small.ts';
import { benchStartUp } from './lib/start-up.ts';
import { type Sized, setUp } from './lib/test-bed.ts';
import { benchWaits } from './lib/waits.ts';

const options = attempt(() => readOptions(process.argv.slice(2)));
if (options.help) {
  print(HELP.trim());
  process.exit(0);
}
const has = (part: Part) => options.parts.includes(part);

const bed = await setUp();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endAll();
    void bed.close().finally(() => process.exit(1));
  });
}
try {
  const machine = describeMachine(bed);
  const databases = new Map<number, Sized>();
  const sections: Section[] = [];
  const measure = async (part: Part, work: () => Promise<Section>) => {
    if (!has(part)) return;
    log.info(`${part}: begins`);
    sections.push(await work());
  };

  // first, while it is the only one: some of the others copy the whole cluster
  await measure('rivals', async () => benchRivals(bed, await database(options.rivalsBytes), options));
  await measure('waits', async () => benchWaits(bed, (await database(options.rivalsBytes)).name, options));
  await measure('backup', async () => benchBackups(bed, (await database(options.sizeBytes)).name, options));
  await measure('restore', async () => benchRestores(bed, await database(options.sizeBytes), options));
  await measure('growth', async () => {
    const sizes: Sized[] = [];
    for (const part of [16, 4, 1]) sizes.push(await database(options.sizeBytes / part));
    return benchGrowth(bed, sizes, options);
  });
  await measure('log', async () => benchLog(bed, await database(options.sizeBytes), options));
  await measure('mariadb', () => benchMariaDb(bed, options));
  await measure('folders', () => benchFolders(bed, options));
  await measure('copies', () => benchCopies(bed, options));
  await measure('pick', () => benchPicks(bed, options));
  await measure('catalog', () => benchCatalogs(bed, options));
  await measure('small', () => benchSmall(bed, options));
  await measure('looks', async () => benchLooks(bed, await database(options.rivalsBytes), options));
  await measure('start-up', () => benchStartUp(bed, options));

  const made = [...databases.values()].map(({ dumpBytes }) => `${mb(dumpBytes)} MB`);
  const { command, rounds } = options;
  const circumstances = [
    machine,
    ...(made.length > 0 ? [`- databases: ${made.join(', ')} as plain dumps`] : []),
    `- ${rounds} rounds; made by: \`${command}\``,
  ].join('\n');
  const found = { circumstances, sections };
  print(documentOf(found));
  if (options.write) writeDocuments(found);

  /** The database of about this size, made when it is first asked for. */
  async function database(aboutBytes: number): Promise<Sized> {
    const known = databases.get(aboutBytes);
    if (known) return known;
    const name = `shop_${Math.round(aboutBytes / 1e6)}mb`;
    log.info(`making the database ${name}`);
    await makeDatabase(bed, name, aboutBytes);
    const { stdout } = await bed.run(`pg_dump --dbname=${name} | wc -c`);
    const sized = { name, dumpBytes: Number(stdout) };
    databases.set(aboutBytes, sized);
    return sized;
  }
} finally {
  await bed.close();
}

/** What was typed wrong is told in one line, and is no defect of this program's. */
function attempt<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    log.error(`${messageOf(error)} (make bench -- --help names the options)`);
    process.exit(2);
  }
}
