import { type Connection, createConnection } from 'mariadb';
import { quoteIdentifier } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { programFor } from '../../scripts/lib/engines/mariadb/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/mariadb/server/throwaway-server.ts';
import { fillMariaDb } from './fill-mariadb.ts';
import { joined, type Picture, pass, type Server } from './servers.ts';

const TRIGGER_HEAD =
  /\btrigger\s+`?(\w+)`?\s+(before|after)\s+(insert|update|delete)\s+on\s+`?(\w+)`?\s+for\s+each\s+row\s*/gi;

function triggerHead(_: string, name: string, time: string, event: string, table: string): string {
  return `TRIGGER ${name} ${time.toUpperCase()} ${event.toUpperCase()} ON ${table} FOR EACH ROW `;
}

/** @throws OperatorError TOOL_MISSING without the server's programs */
export async function startMariaDbServer(): Promise<Server> {
  const server = await startThrowawayServer({
    tcp: true,
    settings: ['--max-connections=200', '--event-scheduler=OFF'],
  });
  const { host, port, user, version } = server;
  const [client, dump] = [(await programFor('mariadb')).path, (await programFor('mariadb-dump')).path];
  const words = [
    '--no-defaults',
    '--protocol=tcp',
    `--host=${host}`,
    `--port=${port}`,
    `--user=${user}`,
    '--skip-ssl',
    '--default-character-set=utf8mb4',
  ];
  const inside = async <T>(database: string | undefined, work: (connection: Connection) => Promise<T>): Promise<T> => {
    const connection = await createConnection({
      host,
      port,
      user,
      ...(database ? { database } : {}),
      dateStrings: true,
    });
    try {
      return await work(connection);
    } finally {
      await connection.end();
    }
  };
  const run = (text: string) => inside(undefined, (connection) => connection.query(text));
  const create = (database: string) =>
    run(`create database ${quoteIdentifier(database)} character set utf8mb4 collate utf8mb4_unicode_ci`);
  const schemaOf = (database: string) =>
    pass(dump, [...words, '--no-data', '--routines', '--events', '--triggers', '--skip-dump-date', database], {});
  // comments tell the database's own name; a restore has to make triggers anew, and keeps their heads' meaning
  const definitions = async (database: string) =>
    (await schemaOf(database)).replaceAll(/^--.*\n/gm, '').replaceAll(TRIGGER_HEAD, triggerHead);
  const drop = async (start: string) => {
    const rows: { name: string }[] = await run('select schema_name as name from information_schema.schemata');
    for (const { name } of rows) if (name.startsWith(start)) await run(`drop database ${quoteIdentifier(name)}`);
  };
  return {
    engine: 'mariadb',
    version,
    url: (database) => `mariadb://${user}@${host}:${port}/${database}`,
    create,
    address: (database) => ({ MYSQL_HOST: host, MYSQL_PORT: String(port), MYSQL_USER: user, MYSQL_DATABASE: database }),
    apply: async (database, statements) => {
      await pass(client, [...words, `--database=${database}`], {}, joined(statements));
    },
    fill: (database, session = '') =>
      inside(database, async (connection) => {
        if (session !== '') await connection.query(session);
        return fillMariaDb(connection);
      }),
    extensions: async () => [],
    picture: (database) => inside(database, async (one) => pictureOf(one, await definitions(database))),
    copiedDefinitions: async (database) => {
      const copy = `${database}copy`;
      await create(copy);
      try {
        await pass(client, [...words, `--database=${copy}`], {}, await schemaOf(database));
        return await definitions(copy);
      } finally {
        await drop(copy);
      }
    },
    drop,
    stop: () => server.stop(),
  };
}

async function pictureOf(connection: Connection, definitions: string): Promise<Picture> {
  const tables: { name: string; counter: unknown }[] = await connection.query(
    `select table_name as name, auto_increment as counter from information_schema.tables
     where table_schema = database() and table_type = 'BASE TABLE' order by binary table_name`,
  );
  const data = new Map<string, string>();
  let rows = 0;
  for (const { name } of tables) {
    const [{ count }] = await connection.query(`select count(*) as count from ${quoteIdentifier(name)}`);
    const [{ Checksum: sum }] = await connection.query(`checksum table ${quoteIdentifier(name)} extended`);
    data.set(name, `${count} ${sum}`);
    rows += Number(count);
  }
  const counts = tables.map(({ name }) => ` + (select count(*) from ${quoteIdentifier(name)})`).join('');
  return { definitions, data, rows, tables: tables.length, counting: `select cast(0${counts} as char) as \`rows\`` };
}
