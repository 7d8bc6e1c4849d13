#!/usr/bin/env tsx
import { log, print } from '../scripts/lib/log.ts';
import { benchBackups, benchMemory } from './lib/backups.ts';
import { benchCatalogs } from './lib/catalogs.ts';
import { writeChart } from './lib/chart.ts';
import { makeDatabase } from './lib/database.ts';
import { benchFolders } from './lib/folders.ts';
import { describeMachine } from './lib/machine.ts';
import { benchMariaDb } from './lib/mariadb.ts';
import { endAll } from './lib/measure.ts';
import { HELP, type Part, readOptions } from './lib/options.ts';
import { mb, type Section, targetsTable, writeDocument } from './lib/report.ts';
import { benchRestores } from './lib/restores.ts';
import { benchStartUp } from './lib/start-up.ts';
import { setUp, type TestBed } from './lib/test-bed.ts';

const options = readOptions();
if (options.help) {
  print(HELP.trim());
  process.exit(0);
}
const has = (...parts: Part[]) => parts.some((part) => options.parts.includes(part));

const bed = await setUp();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endAll();
    void bed.close().finally(() => process.exit(1));
  });
}
try {
  const machine = describeMachine(bed);
  const sections: Section[] = [];
  const database = { name: 'shop', dumpBytes: 0 };
  if (has('backup', 'memory', 'restore')) database.dumpBytes = await make(bed, database.name, options.sizeBytes);

  if (has('backup')) sections.push(await benchBackups(bed, database.name, options));
  if (has('memory')) {
    const quarter = { name: 'quarter', dumpBytes: await make(bed, 'quarter', options.sizeBytes / 4) };
    sections.push(await benchMemory(bed, [quarter, database], options));
  }
  if (has('restore')) sections.push(await benchRestores(bed, database.name, options));
  if (has('mariadb')) sections.push(await benchMariaDb(bed, options));
  if (has('folders')) sections.push(await benchFolders(bed, options));
  if (has('catalog')) sections.push(await benchCatalogs(bed, options));
  if (has('start-up')) sections.push(await benchStartUp(bed, options));

  const markdown = [
    machine,
    ...(database.dumpBytes > 0 ? [`- database: a plain dump of ${mb(database.dumpBytes)} MB`] : []),
    `- ${options.rounds} rounds after one to warm up; made by: \`${options.command}\``,
    ...sections.map(({ title, body }) => `\n### ${title}\n\n${body}`),
    `\n### Targets\n\n${targetsTable(sections.flatMap(({ targets }) => targets))}`,
  ].join('\n');
  print(markdown);
  if (options.write) {
    writeDocument(markdown);
    for (const { chart } of sections) if (chart) writeChart(chart);
  }
} finally {
  await bed.close();
}

/** Makes the database and says how large its plain dump is. */
async function make(on: TestBed, name: string, dumpBytes: number): Promise<number> {
  log.info(`making the database ${name}`);
  await makeDatabase(on, name, dumpBytes);
  const { stdout } = await on.run(`pg_dump --dbname=${name} | wc -c`);
  log.info(`${name}: a plain dump of ${mb(Number(stdout))} MB`);
  return Number(stdout);
}
