import { messageOf } from '../errors.ts';
import type { DatabaseSource } from '../source.ts';
import { type Defaults, databaseOf } from './database-url.ts';
import { withPassfile } from './sources.ts';

const VARIABLE = 'DRILL_SERVER_URL';
/** Every server has it; a drill makes its own beside it. */
const DATABASE = 'postgres';
/** What is set for the sources' servers says nothing of this one. */
const OWN = {
  POSTGRES_USER: 'postgres',
  PGSSLMODE: 'prefer',
  PGSSLROOTCERT: undefined,
  PGSSLCERT: undefined,
  PGSSLKEY: undefined,
} as const;

/** The server that is kept for drills and looks, if there is one. A wrong URL becomes a problem. */
export function readDrillServer(
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
  problems: string[],
  warnings: string[],
): DatabaseSource | undefined {
  const text = env[VARIABLE];
  if (text === undefined) return undefined;
  try {
    const wanted = 'wants a URL such as postgres://postgres@drill-server:5432';
    if (!URL.canParse(text)) throw new Error(wanted);
    const url = new URL(text);
    if (!/^postgres(ql)?:$/.test(url.protocol)) throw new Error(wanted);
    if (!['', '/', `/${DATABASE}`].includes(url.pathname))
      throw new Error(`names a database, and a drill makes its own there; ${wanted}`);
    url.pathname = `/${DATABASE}`;
    const of = { name: 'drill-server', variable: VARIABLE, password: undefined };
    return withPassfile(databaseOf(url, of, { ...defaults, ...OWN }, warnings), env.PGPASSFILE);
  } catch (error) {
    problems.push(`${VARIABLE}: ${messageOf(error)}`);
    return undefined;
  }
}
