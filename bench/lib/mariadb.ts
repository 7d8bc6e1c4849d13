import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Connection, createConnection } from 'mariadb';
import { programFor } from '../../scripts/lib/engines/mariadb/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/mariadb/server/throwaway-server.ts';
import { encryption } from './encryption.ts';
import type { Options } from './options.ts';
import { verb } from './ours.ts';
import { comparison, mb, nodePeakBytes, type Section } from './report.ts';
import { inTurns, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { TestBed } from './test-bed.ts';

const FLOOR = 'mariadb-dump >/dev/null (the floor)';
const OURS = 'ours, gzip, directory';
const ENCRYPTED = 'ours, gzip, age, directory';
/** As ours runs it. */
const DUMP = '--single-transaction --quick --routines --triggers --events --hex-blob';
const DATABASE = 'shop';

/** Rows for each megabyte of dump: about half of the bytes are narrow rows, half are texts of a few hundred bytes. */
const TABLES = {
  orders: {
    perMb: 5_000,
    columns:
      'id bigint primary key, customer int, status varchar(10), total decimal(12, 2), placed datetime, key (customer)',
    row: "seq, mod(crc32(seq), 100000), elt(1 + mod(crc32(concat('s', seq)), 4), 'paid', 'shipped', 'open', 'back'), mod(crc32(concat('t', seq)), 1000000) / 100, '2024-01-01' + interval seq second",
  },
  events: {
    perMb: 1_300,
    columns: 'id bigint primary key, kind varchar(10), at datetime, payload json, key (at)',
    row: `seq, elt(1 + mod(crc32(seq), 3), 'view', 'click', 'cart'), '2024-01-01' + interval seq second,
      json_object('session', md5(floor(seq / 20)), 'request', md5(seq), 'path', concat('/', md5(mod(seq, 1000))), 'agent', 'Mozilla/5.0 (X11; Linux x86_64)')`,
  },
  documents: {
    perMb: 600,
    columns: 'id bigint primary key, title varchar(100), body text, file varbinary(200)',
    row: "seq, md5(seq), concat_ws(' ', 'the quick brown fox jumps over', md5(concat('a', seq)), repeat('and what comes after it, ', 5), md5(concat('b', seq))), unhex(concat(md5(seq), md5(-seq)))",
  },
} as const;

async function makeDatabase(connection: Connection, dumpBytes: number): Promise<void> {
  await connection.query(`create database ${DATABASE}; use ${DATABASE}`);
  for (const [table, { columns, row, perMb }] of Object.entries(TABLES)) {
    await connection.query(`create table ${table} (${columns})`);
    await connection.query(`insert into ${table} select ${row} from seq_1_to_${Math.ceil((perMb * dumpBytes) / 1e6)}`);
  }
}

/** MariaDB's backups beside mariadb-dump alone, and encrypted ones beside plain ones. */
export async function benchMariaDb(bed: TestBed, options: Options): Promise<Section> {
  const { path } = await programFor('mariadb-dump');
  const server = await startThrowawayServer({ tcp: true, settings: ['--innodb-buffer-pool-size=512M'] });
  try {
    const connection = await createConnection({ ...server, multipleStatements: true });
    await makeDatabase(connection, options.sizeBytes);
    await connection.end();
    const serverPid = Number.parseInt(readFileSync(join(dirname(server.socket), 'pid'), 'utf8'), 10);
    const at = `--host=${server.host} --port=${server.port} --user=${server.user} --protocol=tcp`;
    const source = { BACKUP_SOURCE_SHOP: `mariadb://${server.user}@${server.host}:${server.port}/${DATABASE}` };
    const ours = (more: Record<string, string>) => ({
      script: verb('backup', '--json'),
      env: () => ({ ...source, BACKUP_DIR: bed.empty('out'), ...more }),
    });
    const candidates = [
      { name: FLOOR, script: `${path} --no-defaults ${at} ${DUMP} ${DATABASE} >/dev/null`, env: () => ({}) },
      { name: OURS, ...ours({}) },
      ...(bed.has('age') ? [{ name: ENCRYPTED, ...ours(encryption()) }] : []),
    ];
    const results = await inTurns(candidates, options.rounds, ({ script, env }) =>
      bed.run(script, env(), { serverPid, target: join(bed.folder, 'out') }),
    );
    bed.empty('out');
    const [floor, plain, encrypted] = results;
    const { stdout } = await bed.run(`${path} --no-defaults ${at} ${DUMP} ${DATABASE} | wc -c`);
    const targets: Target[] = [];
    if (floor && plain) {
      targets.push({ what: 'backup of MariaDB to the floor', reached: ratio(plain, floor), atMost: 1.2, unit: '×' });
      targets.push({
        what: "node's peak memory (MariaDB)",
        reached: nodePeakBytes(plain) / 1e6,
        atMost: WANTED.nodePeakMb,
        unit: 'MB',
      });
    }
    if (plain && encrypted)
      targets.push({ what: 'MariaDB, encrypted to plain', reached: ratio(encrypted, plain), atMost: 1.3, unit: '×' });
    return {
      title: 'Backup of MariaDB',
      body: `${comparison(results)}\n\nMariaDB ${server.version.split('-')[0]}, a dump of ${mb(Number(stdout))} MB.`,
      targets,
    };
  } finally {
    await server.stop();
  }
}
