import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { childEnvironment } from '../../../machine/child-environment.ts';
import { versionOutput } from '../../database/program-version.ts';
import { parseVersion, type ServerVersion } from './version.ts';

/** Each program under its name and the one of older packages, with the Debian package that has it. */
const PROGRAMS = {
  'mariadb-dump': { names: ['mariadb-dump', 'mysqldump'], package: 'mariadb-client' },
  mariadb: { names: ['mariadb', 'mysql'], package: 'mariadb-client' },
  mariadbd: { names: ['mariadbd', 'mysqld'], package: 'mariadb-server-core' },
  'mariadb-tzinfo-to-sql': { names: ['mariadb-tzinfo-to-sql', 'mysql_tzinfo_to_sql'], package: 'mariadb-client' },
  'mariadb-install-db': { names: ['mariadb-install-db', 'mysql_install_db'], package: 'mariadb-server-core' },
} as const;

export type ProgramName = keyof typeof PROGRAMS;

export interface Program {
  readonly path: string;
  readonly version: ServerVersion;
}

/** Servers lie where ordinary users' PATH does not lead. */
const ALSO = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec'];

const found = new Map<ProgramName, Promise<Program | undefined>>();

async function search(name: ProgramName): Promise<Program | undefined> {
  const directories = [...(childEnvironment().PATH ?? '').split(':').filter((path) => path !== ''), ...ALSO];
  for (const candidate of PROGRAMS[name].names) {
    for (const directory of directories) {
      const path = join(directory, candidate);
      if (!existsSync(path)) continue;
      // they tell no version
      if (name === 'mariadb-install-db' || name === 'mariadb-tzinfo-to-sql') return { path, version: parseVersion('') };
      const stdout = await versionOutput(path, ['--no-defaults']);
      const version = programVersion(stdout);
      if (version.isMariaDb) return { path, version };
    }
  }
  return undefined;
}

/**
 * The version in what a program says of itself. The words around it differ: clients name their own version first, and
 * the series that they are of after `Distrib` or `from`; a server of Debian's says `from Debian` after its version.
 */
export function programVersion(said: string): ServerVersion {
  return parseVersion(/(\d+\.\d+\.\d+\S*-MariaDB\S*)/i.exec(said)?.[1] ?? said);
}

/** @throws OperatorError TOOL_MISSING */
export async function programFor(name: ProgramName): Promise<Program> {
  let searching = found.get(name);
  if (!searching) {
    searching = search(name);
    found.set(name, searching);
  }
  const program = await searching;
  if (program) return program;
  throw new OperatorError('TOOL_MISSING', `${name} of MariaDB is not installed here`, {
    hint: `Install it (apt-get install ${PROGRAMS[name].package}), or run inside the backup image.`,
  });
}

/** Whether the client is of an older series than the server. */
export function isOlder(program: Program, server: ServerVersion): boolean {
  return server.isMariaDb && Math.floor(program.version.number / 100) < Math.floor(server.number / 100);
}
