import pg from 'pg';
import { quoteIdentifier } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { fillPostgres } from './fill-postgres.ts';
import { joined, type Picture, pass, type Server } from './servers.ts';

const RELATIONS = `
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm', 'S') and c.relpersistence <> 't' and n.nspname !~ '^(pg_|information_schema)' order by 1`;

/** @throws OperatorError TOOL_MISSING without the server's programs */
export async function startPostgresServer(): Promise<Server> {
  const server = await startThrowawayServer({ tcp: true, settings: ['max_connections=200', 'log_min_messages=fatal'] });
  const { host, port, user, version } = server;
  const program = async (name: 'psql' | 'pg_dump') => {
    const found = (await findPrograms(name)).find(({ major }) => version.startsWith(`${major}`));
    return found?.path ?? name;
  };
  const [psql, pgDump] = [await program('psql'), await program('pg_dump')];
  const env = (database: string) => ({ PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database });
  const apply = async (database: string, text: string) => {
    await pass(psql, ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null'], env(database), text);
  };
  const inside = async <T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ host, port, user, database, ssl: false });
    client.on('error', () => {});
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  const sql = (database: string, text: string): Promise<Record<string, string>[]> =>
    inside(database, async (client) => (await client.query(text)).rows);
  const definitions = async (database: string) =>
    (await pass(pgDump, ['--schema-only'], env(database))).replaceAll(/^\\(un)?restrict .*\n/gm, '');
  const drop = async (start: string) => {
    const rows = await sql('postgres', 'select datname as name from pg_database');
    for (const { name = '' } of rows)
      if (name.startsWith(start)) await sql('postgres', `drop database ${quoteIdentifier(name)} with (force)`);
  };
  return {
    engine: 'postgres',
    version,
    url: (database, format) => `postgres://${user}@${host}:${port}/${database}?format=${format}`,
    address: env,
    create: async (database) => {
      await sql('postgres', `create database ${quoteIdentifier(database)} template template0`);
    },
    apply: (database, statements) => apply(database, joined(statements)),
    fill: (database, session = '') =>
      inside(database, async (client) => {
        if (session !== '') await client.query(session);
        return fillPostgres(client);
      }),
    extensions: async () =>
      (await sql('postgres', 'select name from pg_available_extensions')).map(({ name = '' }) => name),
    picture: (database) => inside(database, async (client) => pictureOf(client, await definitions(database))),
    copiedDefinitions: async (database) => {
      const copy = `${database}copy`;
      await sql('postgres', `create database ${quoteIdentifier(copy)} template template0`);
      try {
        await apply(copy, await pass(pgDump, ['--schema-only'], env(database)));
        return await definitions(copy);
      } finally {
        await drop(copy);
      }
    },
    drop,
    stop: () => server.stop(),
  };
}

async function pictureOf(client: pg.Client, definitions: string): Promise<Picture> {
  await client.query("set search_path = ''; set timezone = 'UTC'; set extra_float_digits = 1; set bytea_output = hex");
  const { rows: relations } = await client.query<{ name: string; kind: string }>(RELATIONS);
  const data = new Map<string, string>();
  let rows = 0;
  for (const { name, kind } of relations) {
    const text =
      kind === 'S'
        ? `select 0 as rows, last_value || ' ' || is_called as digest from ${name}`
        : `select count(*)::int as rows, count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '-') as digest
           from ${kind === 'r' ? 'only ' : ''}${name} t`;
    const { rows: found } = await client.query(text);
    data.set(name, found[0].digest);
    rows += kind === 'r' ? found[0].rows : 0;
  }
  const { rows: objects } = await client.query(
    "select coalesce(md5(string_agg(oid || md5(lo_get(oid)), ' ' order by oid)), '-') as digest from pg_catalog.pg_largeobject_metadata",
  );
  data.set('large objects', objects[0].digest);
  const tables = relations.filter(({ kind }) => kind === 'r');
  const counts = tables.map(({ name }) => `, ((select count(*) from only ${name}))`).join('');
  const counting = `select sum(n)::text as "rows" from (values (0::bigint)${counts}) as counts (n)`;
  return { definitions, data, rows, tables: tables.length, counting };
}
