import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createConnection } from 'mariadb';
import pg from 'pg';
import { quoteIdentifier as quoteName } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { programFor } from '../../scripts/lib/engines/mariadb/server/programs.ts';
import { startThrowawayServer as startMariaDb } from '../../scripts/lib/engines/mariadb/server/throwaway-server.ts';
import { quoteIdentifier } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { startThrowawayServer as startPostgres } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';

const run = promisify(execFile);

/**
 * What a database can hold: `old` is what the golden backup has, `new` what became of it since, `big` is too much for
 * one part of an upload.
 */
export type State = 'old' | 'new' | 'big';

/** A server of the suite's own, and what the oracle asks of it. */
export interface Databases {
  readonly engine: 'postgres' | 'mariadb';
  readonly host: string;
  readonly port: number;
  /** The URL of a source, through another port where a proxy stands in between. */
  url(name: string, port?: number): string;
  create(name: string, state: State): Promise<void>;
  /** Everything in it as one digest; undefined when there is no such database. */
  digest(name: string): Promise<string | undefined>;
  /** Every database whose name starts so. */
  startingWith(start: string): Promise<string[]>;
  /** Restores a plain dump into a new database with nothing but the client program. */
  load(name: string, path: string): Promise<void>;
  /** Ends whatever still works in databases of these names, and drops them. */
  drop(start: string): Promise<void>;
  /** Sessions in, and locks on, databases of these names. */
  sessions(start: string): Promise<string[]>;
  stop(): Promise<void>;
}

const SEEDS = { old: 1, new: 2, big: 3 } as const;
/** Rows whose text does not compress well. */
const ROWS = 6_000;
const BIG_ROWS = 130_000;

const POSTGRES_SCHEMA = (state: State) => `
  create table items (id integer primary key, body text not null, note text);
  insert into items select n, md5(n::text || '${SEEDS[state]}') || md5((n * ${SEEDS[state]})::text), case when n % 3 > 0 then 'ü' || n end
    from generate_series(1, ${state === 'big' ? BIG_ROWS : ROWS}) n;
  ${state === 'big' ? 'insert into items select n + 1000000, repeat(md5(n::text), 64), null from generate_series(1, 6000) n;' : ''}
  create table parts (id bigserial primary key, item integer not null references items, weight numeric(10, 3));
  insert into parts (item, weight) select 1 + n % 1000, n / 7.0 from generate_series(1, 2000) n;
  create index on items (note);
  create view noted as select id, note from items where note is not null;
  create function twice(n integer) returns integer immutable language sql as 'select 2 * n';
  select lo_from_bytea(${7000 + SEEDS[state]}, decode(repeat(md5('${state}'), 500), 'hex'));
  analyze;`;

export async function startPostgresDatabases(): Promise<Databases> {
  const server = await startPostgres({ tcp: true, settings: ['max_connections=200', 'log_min_messages=fatal'] });
  const [psql] = await findPrograms('psql');
  const { host, port, user } = server;
  const sql = async (database: string, text: string, parameters?: unknown[]): Promise<Record<string, string>[]> => {
    const client = new pg.Client({ host, port, user, database });
    client.on('error', () => {});
    await client.connect();
    try {
      const result = await client.query(text, parameters);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  };
  const names = async (start: string) => {
    const rows = await sql('postgres', 'select datname as name from pg_database order by 1');
    return rows.map(({ name = '' }) => name).filter((name) => name.startsWith(start));
  };
  for (const state of ['old', 'new', 'big'] as const) {
    await sql('postgres', `create database template_${state}`);
    await sql(`template_${state}`, POSTGRES_SCHEMA(state));
  }
  return {
    engine: 'postgres',
    host,
    port,
    url: (name, through = port) => `postgres://${user}@${host}:${through}/${name}`,
    create: async (name, state) => {
      await sql('postgres', `create database ${quoteIdentifier(name)} template template_${state}`);
      const live = /^(.*)_previous_\d{14}$/.exec(name)?.[1];
      if (live === undefined) return;
      // as a restore would have put it aside
      const [row] = await sql('postgres', `select oid::text as oid from pg_database where datname = '${name}'`);
      await sql(
        'postgres',
        `comment on database ${quoteIdentifier(name)} is 'compose-db-backup: previous of "${live}" (oid ${row?.oid})'`,
      );
    },
    digest: async (name) => {
      if (!(await names(name)).includes(name)) return undefined;
      const relations = await sql(
        name,
        `select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'S', 'v', 'i') and n.nspname = 'public' order by 1`,
      );
      const parts = relations.map(({ name: relation, kind }) =>
        kind === 'i'
          ? `'${relation}'`
          : kind === 'S'
            ? `(select '${relation}' || last_value || is_called from ${relation})`
            : `(select '${relation}' || count(*) || coalesce(md5(string_agg(t::text, E'\\n' order by t::text collate "C")), '') from ${relation} t)`,
      );
      const [row] = await sql(
        name,
        `select md5(concat_ws(E'\\n', ${[...parts, "''"].join(', ')},
           (select string_agg(oid || md5(lo_get(oid)), ' ' order by oid) from pg_largeobject_metadata),
           (select string_agg(proname || prosrc, ' ' order by proname) from pg_proc where pronamespace = 'public'::regnamespace))) as digest`,
      );
      return row?.digest;
    },
    startingWith: names,
    load: async (name, path) => {
      await sql('postgres', `create database ${quoteIdentifier(name)} template template0`);
      const environment = { ...process.env, PGHOST: host, PGPORT: String(port), PGUSER: user };
      await run(
        psql?.path ?? 'psql',
        ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', name, '-f', path],
        {
          env: environment,
        },
      );
    },
    drop: async (start) => {
      for (const name of await names(start))
        await sql('postgres', `drop database if exists ${quoteIdentifier(name)} with (force)`);
    },
    sessions: async (start) => {
      const rows = await sql(
        'postgres',
        `select format('session of %s in %s: %s', application_name, datname, left(query, 60)) as what
         from pg_stat_activity where starts_with(datname, $1) and pid <> pg_backend_pid()
         union all select format('advisory lock in %s', d.datname) from pg_locks l join pg_database d on d.oid = l.database
         where l.locktype = 'advisory' and starts_with(d.datname, $1)`,
        [start],
      );
      return rows.map(({ what = '' }) => what);
    },
    stop: () => server.stop(),
  };
}

const MARIADB_SCHEMA = (state: State) => `
  create table items (id int primary key, body text not null, note varchar(40), key (note));
  insert into items select seq, concat(md5(concat(seq, '${SEEDS[state]}')), md5(seq * ${SEEDS[state]})), if(seq % 3 > 0, concat('ü', seq), null)
    from seq_1_to_${state === 'big' ? BIG_ROWS : ROWS};
  ${state === 'big' ? 'insert into items select seq + 1000000, repeat(md5(seq), 64), null from seq_1_to_6000;' : ''}
  create table parts (id int auto_increment primary key, item int not null, weight decimal(10, 3), share float, foreign key (item) references items (id));
  insert into parts (item, weight, share) select 1 + seq % 1000, seq / 7, seq / 7 from seq_1_to_2000;
  create view noted as select id, note from items where note is not null;
  create function twice(n int) returns int deterministic return 2 * n;
  create trigger items_checked before insert on items for each row set new.note = coalesce(new.note, 'none');
  create event idle on schedule every 1 year starts '2037-01-01 00:00:00' do select 1;`;

export async function startMariaDbDatabases(): Promise<Databases> {
  const server = await startMariaDb({ tcp: true, settings: ['--max-connections=200'] });
  const { host, port, user } = server;
  const sql = async (text: string, database?: string): Promise<Record<string, string>[]> => {
    const client = await createConnection({
      host,
      port,
      user,
      multipleStatements: true,
      connectTimeout: 60_000,
      ...(database ? { database } : {}),
    });
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  };
  const names = async (start: string) => {
    const rows = await sql('select schema_name as name from information_schema.schemata order by 1');
    return rows.map(({ name = '' }) => name).filter((name) => name.startsWith(start));
  };
  const sessionsOf = (start: string) =>
    sql(`select id, concat('session in ', coalesce(db, '-'), ': ', coalesce(info, command)) as what
         from information_schema.processlist where id <> connection_id() and db like '${start.replaceAll('_', '\\_')}%'`);
  return {
    engine: 'mariadb',
    host,
    port,
    url: (name, through = port) => `mariadb://${user}@${host}:${through}/${name}`,
    create: async (name, state) => {
      await sql(`create database ${quoteName(name)} character set utf8mb4`);
      await sql(MARIADB_SCHEMA(state), name);
    },
    digest: async (name) => {
      if (!(await names(name)).includes(name)) return undefined;
      const tables = await sql(
        `select table_name as name, table_type as kind from information_schema.tables where table_schema = '${name}' order by binary 1`,
      );
      const parts: string[] = [];
      for (const { name: table = '', kind } of tables) {
        const [row] = kind === 'VIEW' ? [] : await sql(`checksum table ${quoteName(table)} extended`, name);
        parts.push(`${kind} ${table} ${row?.Checksum ?? ''}`);
      }
      const code = await sql(
        `select routine_name as what from information_schema.routines where routine_schema = '${name}'
         union all select concat(trigger_name, action_statement) from information_schema.triggers where trigger_schema = '${name}'
         union all select event_name from information_schema.events where event_schema = '${name}'
         order by 1`,
      );
      return [...parts, ...code.map(({ what }) => what)].join('\n');
    },
    startingWith: names,
    load: async (name, path) => {
      await sql(`create database ${quoteName(name)} character set utf8mb4`);
      const { path: client } = await programFor('mariadb');
      const command = `'${client}' --no-defaults --protocol=tcp --host=${host} --port=${port} --user=${user} --skip-ssl --binary-mode '${name}' <'${path}'`;
      await run('bash', ['-c', command]);
    },
    drop: async (start) => {
      for (const { id } of await sessionsOf(start)) await sql(`kill ${id}`).catch(() => {});
      for (const name of await names(start)) await sql(`drop database if exists ${quoteName(name)}`);
    },
    sessions: async (start) => (await sessionsOf(start)).map(({ what = '' }) => what),
    stop: () => server.stop(),
  };
}
