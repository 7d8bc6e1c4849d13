import { messageOf } from '../errors.ts';
import type { DatabaseSource, LogServer, Source } from '../source.ts';
import { type Defaults, databaseOf } from './database-url.ts';
import { withPassfile } from './sources.ts';

const PREFIX = 'PITR_SERVER_';
/** In which replication sessions are: never a source, which could then not be renamed. */
const DATABASE = 'postgres';

/**
 * The servers whose log is to be taken: with PITR those of all PostgreSQL sources, and each PITR_SERVER_*, which wins over the former
 * where both are the same server. Wrong ones become problems.
 */
export function readServers(
  env: Readonly<Record<string, string>>,
  of: { isOn: boolean; sources: readonly Source[]; defaults: Defaults },
  problems: string[],
  warnings: string[],
): LogServer[] {
  const servers = namedServers(env, of.defaults, problems, warnings);
  const databases = of.sources.filter((source): source is DatabaseSource => source.engine === 'postgres');
  if (of.isOn && databases.length === 0 && servers.length === 0) {
    warnings.push(
      "PITR is on, and no source is PostgreSQL: no server's log is taken; name one by PITR_SERVER_<NAME>=postgres://user@host:5432, or set PITR=false",
    );
  }
  for (const source of of.isOn ? databases : []) {
    if (servers.some((server) => isSame(server.source, source))) continue;
    const twin = servers.some(({ name }) => name === source.host);
    servers.push(serverAt(twin ? `${source.host}-${source.port}` : source.host, source));
  }
  return servers;
}

const isSame = (a: DatabaseSource, b: DatabaseSource) => a.host === b.host && a.port === b.port;

const serverAt = (name: string, source: DatabaseSource): LogServer => ({
  name,
  engine: 'postgres',
  source: { ...source, name, database: DATABASE },
});

function namedServers(
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
  problems: string[],
  warnings: string[],
): LogServer[] {
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX));
  const urls = names.filter((name) => !/_PASSWORD(_FILE)?$/.test(name));
  for (const name of names) {
    const of = name.replace(/_PASSWORD(_FILE)?$/, '');
    if (of !== name && !urls.includes(of)) problems.push(`${name} is set, but ${of} is not`);
  }
  const servers: LogServer[] = [];
  for (const variable of urls.sort()) {
    try {
      const server = readServer(variable, env, defaults, warnings);
      const other = servers.find(({ source }) => isSame(source, server.source));
      if (other) throw new Error(`is the same server as ${other.source.variable}; keep one`);
      servers.push(server);
    } catch (error) {
      problems.push(`${variable}: ${messageOf(error)}`);
    }
  }
  return servers;
}

function readServer(
  variable: string,
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
  warnings: string[],
): LogServer {
  const name = variable.slice(PREFIX.length);
  if (!/^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$/.test(name))
    throw new Error(`the name after ${PREFIX} wants letters, digits and single _`);
  const text = env[variable] ?? '';
  if (!URL.canParse(text)) throw new Error('wants a URL such as postgres://user@host:5432');
  const url = new URL(text);
  if (/^(mariadb|mysql):$/.test(url.protocol)) throw new Error('is MariaDB, whose log is not taken yet; remove it');
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw new Error('wants a URL such as postgres://user@host:5432');
  if (!/^\/?$/.test(url.pathname))
    throw new Error('names a database, and a log is that of the whole server; write postgres://user@host:5432');
  url.pathname = `/${DATABASE}`;
  const of = { name: name.toLowerCase().replaceAll('_', '-'), variable, password: env[`${variable}_PASSWORD`] };
  return serverAt(of.name, withPassfile(databaseOf(url, of, defaults, warnings), env.PGPASSFILE));
}
