import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../scripts/lib/errors.ts';
import { runProgram, type Stage } from '../../scripts/lib/pipeline/chain.ts';
import { log, registerSecret } from '../../scripts/lib/terminal/log.ts';
import { guardFolder } from './guarded-folder.ts';
import * as page from './page.ts';
import { DATABASE, notShown, type Place, PSQL_OPTIONS, run } from './place.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const SERVICES = ['postgres', 'garage', 'backup', 'receiver'] as const;
const STOP_SECONDS = 10;

type Environment = Readonly<Record<string, string>>;

/** Whether an engine answers and Compose is there: a client alone is no Docker. */
export async function hasDocker(env: Environment, signal: AbortSignal): Promise<boolean> {
  for (const args of [['info'], ['compose', 'version']]) {
    const result = await runProgram({ name: 'docker', command: 'docker', args, env }, { signal });
    if (result.exitCode !== 0) return false;
  }
  return true;
}

/** The stack of docker-compose.yml as a project of its own, with its own name, secrets, volumes and network. */
export async function bringUpInDocker(env: Environment, signal: AbortSignal): Promise<Place> {
  const name = `compose-db-backup-demo-${randomBytes(4).toString('hex')}`;
  const compose =
    (folder: string) =>
    (...args: string[]): Stage => ({
      name: `docker compose ${args[0]}`,
      command: 'docker',
      args: [
        'compose',
        `--project-name=${name}`,
        `--project-directory=${PROJECT}`,
        `--file=${join(PROJECT, 'docker-compose.yml')}`,
        `--env-file=${envFileIn(folder)}`,
        ...args,
      ],
      env: { ...env, BACKUP_ENV_FILE: envFileIn(folder) },
    });
  const guarded = guardFolder((path) =>
    compose(path)('down', '--volumes', '--remove-orphans', '--rmi=local', `--timeout=${STOP_SECONDS}`),
  );
  writeFileSync(envFileIn(guarded.path), envFileText(envFileIn(guarded.path)), { mode: 0o600 });
  const inProject = compose(guarded.path);

  const psql = async (database: string, sql: string, options: readonly string[] = []) => {
    const program = ['psql', ...PSQL_OPTIONS, '--username=postgres', `--dbname=${database}`, ...options];
    const stage = inProject('exec', '--no-TTY', '--env=PGCLIENTENCODING=UTF8', 'postgres', ...program);
    const { stdout } = await run(stage, { input: sql, signal });
    return stdout;
  };

  const stop = async () => {
    await guarded.remove();
    const left = await leftovers(name, env);
    if (left.length > 0) throw notShown('it cleans up behind itself', `still there: ${left.join(', ')}`);
  };

  page.say(`Starting containers of their own, as the compose project ${name}.`);
  page.say('The first time, images are pulled and built: a few minutes.');
  page.pause();
  let version: string;
  try {
    await run(inProject('build', '--quiet', 'backup'), { signal });
    await run(inProject('up', '--detach', '--wait', '--wait-timeout=180', ...SERVICES), { signal });
    version = (await psql(DATABASE, 'show server_version', ['--no-align', '--tuples-only'])).trim();
  } catch (error) {
    await stop().catch((failure: unknown) => log.error(messageOf(failure)));
    throw error;
  }

  return {
    takesLog: true,
    about: [
      `With Docker: a PostgreSQL ${version.split(' ')[0]} server, Garage as the S3 store, the backup container, and the receiver of the log, with new secrets and volumes, in a network of their own without any open port. Nothing of yours is touched, no .env is read.`,
    ],
    removed:
      'the containers, their volumes, their network and their images. What was pulled and the build cache stay, for make up',
    leftOut: [
      'Ofelia, which takes a backup every hour once make up has started it. Here you were the clock.',
      'Loading a backup with gunzip and psql alone: nothing here but this tool speaks S3. docs/restore.md shows it with mc and aws; make demo DEMO_MODE=host does it with files.',
    ],
    verb: (verb, args = []) => run(inProject('exec', '--no-TTY', 'backup', verb, ...args), { signal }),
    psql,
    stop,
  };
}

const envFileIn = (folder: string) => join(folder, '.env');

/** @param path its own, by which the container knows that Compose itself has read it too */
function envFileText(path: string): string {
  const secrets = {
    POSTGRES_PASSWORD: randomBytes(16).toString('hex'),
    S3_ACCESS_KEY: `GK${randomBytes(12).toString('hex')}`,
    S3_SECRET_KEY: randomBytes(32).toString('hex'),
    GARAGE_RPC_SECRET: randomBytes(32).toString('hex'),
  };
  for (const secret of Object.values(secrets)) registerSecret(secret);
  const variables = {
    ...{ POSTGRES_DB: DATABASE, BACKUP_ENV_FILE: path, ...secrets },
    // as in .env.example
    ...{ PITR: 'true', COMPOSE_PROFILES: 'pitr' },
  };
  return Object.entries(variables)
    .map(([variable, value]) => `${variable}='${value}'\n`)
    .join('');
}

/** What the engine still knows of a compose project. */
async function leftovers(project: string, env: Environment): Promise<string[]> {
  const filter = `--filter=label=com.docker.compose.project=${project}`;
  const left: string[] = [];
  for (const [thing, args] of [
    ['container', ['ps', '--all', '--quiet', filter]],
    ['volume', ['volume', 'ls', '--quiet', filter]],
    ['network', ['network', 'ls', '--quiet', filter]],
    ['image', ['image', 'ls', '--quiet', `--filter=reference=${project}-*`]],
  ] as const) {
    const { stdout } = await run({ name: `docker ${args[0]}`, command: 'docker', args, env });
    left.push(...stdout.split('\n').flatMap((id) => (id === '' ? [] : [`${thing} ${id}`])));
  }
  return left;
}
