import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';
import type { DatabaseSource } from '../../../source.ts';
import { clientArguments, clientEnvironment } from '../server/client.ts';
import type { Connection } from '../server/connection.ts';
import { programFor } from '../server/programs.ts';
import { LOADING, settingsFor } from '../server/session.ts';
import { withoutRows } from './client-words.ts';
import type { Later } from './made-later.ts';

const FILTER = fileURLToPath(new URL('./load-filter.pl', import.meta.url));

const LOAD_HINTS: NonNullable<Stage['hints']> = [
  [
    /ERROR 1062 /,
    'Two rows have one key, at the source too, or under the collation of this server: CHECK TABLE there tells. No restore goes on without rows: gunzip -c FILE | mariadb --force loads by hand what can be loaded, and says what not.',
  ],
  [
    /ERROR \d+ /,
    'For the data tonight, if it is the definition of a routine, a trigger or an event that fails: restore with --without-broken, which goes on without it and says so, and never leaves out rows.',
  ],
];

/** What is loaded where, and how. */
export interface LoadPlan {
  readonly staging: string;
  readonly dumped: string;
  readonly later: Later;
  readonly rehearses: boolean;
  readonly openEnd: string;
  /** Code goes to a file of its own. */
  readonly isApart: boolean;
}

/** The client behind the filter that makes a dump mean the staging database. */
export async function loadStage(source: DatabaseSource, connection: Connection, plan: LoadPlan): Promise<Stage> {
  const { staging, dumped, later, rehearses, openEnd, isApart } = plan;
  const { command, args, ...client } = await clientStage(source, connection, plan);
  const purpose = rehearses ? 'rehearses' : 'restores';
  const words = [FILTER, staging, dumped, later.path, purpose, openEnd, isApart ? later.code : ''];
  return { ...client, command: 'perl', args: [...words, command, ...args] };
}

/**
 * The client that takes a dump's text.
 * @param more options
 */
export async function clientStage(
  source: DatabaseSource,
  connection: Connection,
  { staging }: LoadPlan,
  more: readonly string[] = [],
): Promise<Stage> {
  const program = await programFor('mariadb');
  return {
    name: 'mariadb',
    command: program.path,
    args: [
      ...clientArguments(source, connection),
      ...more,
      '--batch',
      // the dump is data: none of it is a command for the client, whose \! would be the shell
      '--binary-mode',
      '--max-allowed-packet=1G',
      `--init-command=${settingsFor(connection.variables, LOADING)}`,
      `--database=${staging}`,
    ],
    env: clientEnvironment(source),
    hints: LOAD_HINTS,
    onLine: withoutRows(),
  };
}
