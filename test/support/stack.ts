import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'dotenv';
import type { Access } from './s3-by-hand.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** What Docker itself needs of the environment. What else the developer has there must not decide a test. */
const PASSED_ON = /^(PATH|HOME|TMPDIR|DOCKER_.*|BUILDKIT_.*|.*_proxy)$/i;

/** Beside the stack: a way to its store for a client of the test's own, and a second server that has never seen it. */
const OVERRIDE = `
services:
  garage:
    ports: ['127.0.0.1::3900']
  elsewhere:
    image: postgres:\${POSTGRES_VERSION:-18}-trixie
    environment:
      POSTGRES_PASSWORD: \${POSTGRES_PASSWORD}
    healthcheck:
      test: [CMD, pg_isready, --quiet, --host=127.0.0.1]
      interval: 1s
      retries: 60
    tmpfs: [/var/lib/postgresql]
  # the same program from Debian, which every machine that has come this far can get
  socket-proxy:
    image: \${COMPOSE_PROJECT_NAME}-haproxy
    build:
      context: .
      dockerfile_inline: |
        FROM debian:trixie-slim
        RUN apt-get update && apt-get install -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
`;

/** The account of the postgres image, which the backup container runs as. */
const BACKUP_USER = 999;

export type Settings = Readonly<Record<string, string>>;

/** What .env.example sets: the stack as its reader gets it. A stack's own secrets take the place of those that everybody knows. */
export function exampleSettings(): Settings {
  return parse(readFileSync(join(PROJECT, '.env.example'), 'utf8'));
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads documents of every shape
  readonly json: any;
}

/** The whole stack of docker-compose.yml, with a name, secrets and volumes of its own. */
export interface Stack {
  readonly project: string;
  /** What makes `docker compose` mean this stack when it runs in the project's folder, as the scripts of make do. */
  readonly environment: NodeJS.ProcessEnv;
  /** Brings up what has changed, as `make up` does, with these settings in .env. */
  up(settings: Settings): Promise<Outcome>;
  compose(args: readonly string[], input?: string): Promise<Outcome>;
  docker(args: readonly string[]): Promise<Outcome>;
  /** Runs a verb in the backup container, with these variables in place of .env's. */
  verb(words: readonly string[], env?: Settings): Promise<Outcome>;
  /** Rows as psql prints them without decoration; throws what psql says when it fails. */
  psql(service: 'postgres' | 'elsewhere', database: string, sql: string | Buffer): Promise<string>;
  /** All that pg_dump finds, without what differs from run to run: rows, large objects, sequences, definitions. */
  dump(service: 'postgres' | 'elsewhere', database: string): Promise<string>;
  access(): Promise<Access>;
  logs(): Promise<string>;
  /** Removes everything, and returns what is left all the same. */
  tearDown(): Promise<string[]>;
}

/**
 * @param options.secretFiles secrets come from files, by docker-compose.secrets.yml; those of Garage, which can read
 *   no files, stay in .env
 * @param options.services more services, as in a compose file
 */
export function createStack(base: Settings, options: { secretFiles?: Settings; services?: string } = {}): Stack {
  const project = `stack-test-${randomBytes(5).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'stack-test-'));
  const envFile = join(folder, '.env');
  const overrideFile = join(folder, 'docker-compose.override.yml');
  writeFileSync(overrideFile, OVERRIDE + (options.services ?? ''));
  const keys = {
    S3_ACCESS_KEY: `GK${randomBytes(12).toString('hex')}`,
    S3_SECRET_KEY: randomBytes(32).toString('hex'),
    GARAGE_RPC_SECRET: randomBytes(32).toString('hex'),
  };
  const secrets = join(folder, 'secrets');
  if (options.secretFiles) {
    mkdirSync(secrets);
    const files = { ...options.secretFiles, s3_access_key: keys.S3_ACCESS_KEY, s3_secret_key: keys.S3_SECRET_KEY };
    for (const [name, value] of Object.entries(files)) {
      writeFileSync(join(secrets, name), `${value}\n`, { mode: 0o400 });
      chownSync(join(secrets, name), BACKUP_USER, BACKUP_USER);
    }
  }
  const writeEnv = (settings: Settings) => {
    const all = { ...base, ...keys, ...settings, BACKUP_ENV_FILE: envFile, SECRETS_DIR: secrets };
    writeFileSync(
      envFile,
      Object.entries(all)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(''),
      { mode: 0o600 },
    );
  };
  writeEnv({});
  const words = [
    ...['compose', '--project-name', project, '--project-directory', PROJECT, '--env-file', envFile],
    ...['--file', join(PROJECT, 'docker-compose.yml')],
    ...(options.secretFiles ? ['--file', join(PROJECT, 'docker-compose.secrets.yml')] : []),
    ...['--file', overrideFile],
  ];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)));
  const compose = (args: readonly string[], input?: string | Buffer) => docker([...words, ...args], env, input);

  const down = ['down', '--volumes', '--remove-orphans', '--rmi', 'local', '--timeout', '5'];
  // interrupting the tests leaves no containers
  const interrupted = () => {
    spawnSync('docker', [...words, ...down], { env, stdio: 'ignore' });
    process.exit(1);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);

  const inService = async (service: string, args: readonly string[], input?: string | Buffer) => {
    const outcome = await compose(['exec', '--no-TTY', '--user=postgres', service, ...args], input);
    if (outcome.code !== 0) throw new Error(`${args[0]} in ${service}: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const psql = ['psql', '--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1'];

  const files = [
    join(PROJECT, 'docker-compose.yml'),
    ...(options.secretFiles ? [join(PROJECT, 'docker-compose.secrets.yml')] : []),
    overrideFile,
  ];
  return {
    project,
    environment: {
      ...env,
      ...{ COMPOSE_PROJECT_NAME: project, COMPOSE_FILE: files.join(':'), COMPOSE_ENV_FILES: envFile },
    },
    up: (settings) => {
      writeEnv(settings);
      return compose(['up', '--build', '--detach', '--wait', '--wait-timeout=180', '--quiet-pull']);
    },
    compose,
    docker: (args) => docker(args, env),
    verb: (verbWords, variables = {}) =>
      compose([
        ...['exec', '--no-TTY'],
        ...Object.entries(variables).map(([name, value]) => `--env=${name}=${value}`),
        ...['backup', ...verbWords],
      ]),
    psql: async (service, database, sql) => (await inService(service, [...psql, database], sql)).trim(),
    dump: async (service, database) =>
      (await inService(service, ['pg_dump', database])).replaceAll(/^\\(un)?restrict .*\n/gm, ''),
    access: async () => {
      const { stdout } = await compose(['port', 'garage', '3900']);
      return {
        endpoint: `http://${stdout.trim()}`,
        region: 'garage',
        bucket: 'backups',
        accessKey: keys.S3_ACCESS_KEY,
        secretKey: keys.S3_SECRET_KEY,
      };
    },
    logs: async () => (await compose(['logs', '--no-color', '--timestamps'])).stdout,
    tearDown: async () => {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      const outcome = await compose(down);
      rmSync(folder, { recursive: true, force: true });
      if (outcome.code !== 0) return [`docker compose down: ${outcome.stderr}`];
      const filter = `--filter=label=com.docker.compose.project=${project}`;
      const left = await Promise.all([
        docker(['ps', '--all', '--quiet', filter], env),
        docker(['volume', 'ls', '--quiet', filter], env),
        docker(['network', 'ls', '--quiet', filter], env),
      ]);
      return left.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== ''));
    },
  };
}

function docker(args: readonly string[], env: NodeJS.ProcessEnv, input?: string | Buffer): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = execFile('docker', args, { env, maxBuffer: 1e9 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') return reject(error);
      resolve({
        code: Number(error?.code ?? 0),
        stdout,
        stderr,
        get json() {
          try {
            return JSON.parse(stdout);
          } catch (cause) {
            throw new Error(`not one JSON document: ${JSON.stringify(stdout)}\n${stderr}`, { cause });
          }
        },
      });
    });
    // a program that ends early does not read all of it, and says itself what was wrong
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
