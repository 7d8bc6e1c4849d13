import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import type { Limit } from '../deadline.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { setChildEnvironment } from '../machine/child-environment.ts';
import { chooseCompression } from '../pipeline/codec.ts';
import type { RepositorySettings } from '../repository/repository.ts';
import type { RetentionPolicy } from '../repository/retention.ts';
import type { DatabaseSource, LogServer, Source } from '../source.ts';
import { log, setLogFormat } from '../terminal/log.ts';
import { setTimeZone } from '../terminal/time.ts';
import { type CopySettings, overlapProblems, readCopies } from './copies.ts';
import { readDrillServer } from './drill-server.ts';
import { readEnvironment } from './environment.ts';
import { swallowProblems } from './files.ts';
import { passedOver } from './passed-over.ts';
import { endpointProblems, retentionOf, storageSettings } from './primary.ts';
import { readValues } from './read-values.ts';
import { readServers } from './servers.ts';
import { type Environment, type Origin, resolveSettings, type Settings } from './settings.ts';
import { readSources } from './sources.ts';
import * as value from './values.ts';
import type { Values } from './variables.ts';

/** Everything that the environment decides, checked. */
export interface Config {
  readonly values: Values;
  readonly sources: readonly Source[];
  /** The servers whose log is taken; none without PITR. */
  readonly servers: readonly LogServer[];
  /** Those, and with PITR off every PostgreSQL server that is backed up: each may still have a slot of ours. */
  readonly logServers: readonly LogServer[];
  /** DRILL_SERVER_URL. */
  readonly drillServer?: DatabaseSource;
  /** Where backups are kept, and how they are encrypted. */
  readonly repository: RepositorySettings;
  /** The other stores that backups are copied to, by name. */
  readonly copies: readonly CopySettings[];
  readonly limits: Limits;
  readonly retention: RetentionPolicy;
  /** RPO_TARGET, or twice the longest time between two scheduled backups. */
  readonly rpoTargetMs: number;
  /** PGPASSFILE: where libpq looks for the password of a connection that has none. */
  readonly passfile: string | undefined;
}

/** How long runs may take, each with the variable that says so. */
export interface Limits {
  /** Of a backup, a safety backup and a cleanup. */
  readonly backup: Limit;
  /** Of a restore, an undo and a drill. */
  readonly restore: Limit;
}

/** The configuration, and what it was made of. */
export interface Resolved {
  readonly config: Config;
  readonly settings: Settings;
}

let isTold = false;

/**
 * Reads the environment and `.env` in the working directory, the former winning, and checks all of it. What is no error
 * and yet should be known is told once.
 *
 * @throws OperatorError CONFIG naming every variable that is wrong
 */
export function loadConfig(): Config {
  const { config, settings } = loadResolved();
  if (!isTold) for (const warning of settings.warnings) log.warn(warning);
  isTold = true;
  return config;
}

/** As loadConfig, with where each value comes from, and nothing in the log. @throws OperatorError CONFIG */
export function loadResolved(): Resolved {
  const { environment, originOf } = readEnvironment();
  return resolveConfig(environment, originOf);
}

/** As loadConfig, from a given environment. */
export function configure(environment: Environment): Config {
  return resolveConfig(environment).config;
}

/** As loadResolved, from a given environment. @throws OperatorError CONFIG */
export function resolveConfig(environment: Environment, originOf?: (name: string) => Origin): Resolved {
  setChildEnvironment(environment);
  const problems: string[] = [];
  const settings = resolveSettings(environment, problems, originOf);
  const { env, origins } = settings;
  const warnings = [...settings.warnings];
  const values = readValues(env, origins, problems);
  const explicitCompression = env.BACKUP_COMPRESSION === undefined ? undefined : values.BACKUP_COMPRESSION;
  const defaults = { ...values, explicitCompression };
  const sources = readSources(env, defaults, problems, warnings);
  warnings.push(...passedOver(env, sources, values));
  const servers = readServers(env, { isOn: values.PITR, sources, defaults }, problems, warnings);
  const drillServer = readDrillServer(env, defaults, problems, warnings);
  const logServers = values.PITR ? servers : readServers(env, { isOn: true, sources, defaults }, [], []);
  problems.push(...swallowProblems(sources, { backupDir: values.BACKUP_DIR, prefix: values.S3_PREFIX ?? '' }));
  // what Compose fills docker-compose.yml with, and what it hands to the container, are two files unless they say so
  if (env.COMPOSE_READ !== undefined && env.COMPOSE_READ !== (env.BACKUP_ENV_FILE ?? '.env')) {
    problems.push(
      `BACKUP_ENV_FILE: ${env.COMPOSE_READ} reached the container, and Compose itself read another file; write BACKUP_ENV_FILE=${env.COMPOSE_READ} into it, and start with docker compose --env-file ${env.COMPOSE_READ} up`,
    );
  }
  if ((values.S3_ACCESS_KEY === undefined) !== (values.S3_SECRET_KEY === undefined)) {
    problems.push('S3_ACCESS_KEY and S3_SECRET_KEY: one is set without the other; set both, or neither to use a role');
  }
  problems.push(...endpointProblems(values));
  const retention = retentionOf(values);
  const storage = storageSettings(values, env, origins);
  const copies = readCopies(
    env,
    {
      retention,
      connectTimeoutMs: values.CONNECT_TIMEOUT,
      silenceMs: values.STORAGE_TIMEOUT,
      region: values.S3_REGION,
    },
    problems,
  );
  const primary = { variable: values.BACKUP_DIR === undefined ? 'S3_BUCKET' : 'BACKUP_DIR', storage };
  problems.push(...overlapProblems({ ...primary, prefix: values.S3_PREFIX ?? '' }, copies));
  if (values.S3_LOCK !== undefined && values.BACKUP_DIR !== undefined) {
    problems.push('S3_LOCK: a folder cannot be locked; remove it, or keep the backups in a bucket with object lock');
  }
  if (values.BACKUP_MANIFEST_PRIVATE && values.BACKUP_AGE_RECIPIENTS === undefined) {
    problems.push('BACKUP_MANIFEST_PRIVATE: there is no key to encrypt the manifest with; set BACKUP_AGE_RECIPIENTS');
  }
  if (problems.length > 0) {
    throw new OperatorError('CONFIG', wrong(problems), {
      hint: 'Correct these in .env or the environment; .env.example explains each. Nothing was touched.',
    });
  }
  setLogFormat(values.LOG_FORMAT);
  setTimeZone(values.TZ);
  let rpoTargetMs = values.RPO_TARGET;
  const config = deepFreeze({
    values,
    sources: sources.map((source) =>
      source.compression.isAuto
        ? { ...source, compression: chooseCompression(values.BACKUP_MAX_RATE, availableParallelism()) }
        : source,
    ),
    servers,
    logServers,
    ...(drillServer === undefined ? {} : { drillServer }),
    repository: {
      storage,
      prefix: values.S3_PREFIX ?? '',
      encryption: {
        recipients: values.BACKUP_AGE_RECIPIENTS ?? [],
        privateManifest: values.BACKUP_MANIFEST_PRIVATE,
        identityBesideBackups: isInside(environment.BACKUP_AGE_IDENTITY_FILE, values.BACKUP_DIR),
        ...(values.BACKUP_AGE_IDENTITY === undefined ? {} : { identity: values.BACKUP_AGE_IDENTITY }),
      },
      ...(values.BACKUP_MAX_RATE === undefined ? {} : { uploadBytesPerSecond: values.BACKUP_MAX_RATE }),
    },
    limits: {
      backup: { variable: 'BACKUP_TIMEOUT', ms: values.BACKUP_TIMEOUT },
      restore: { variable: 'RESTORE_TIMEOUT', ms: values.RESTORE_TIMEOUT },
    },
    get rpoTargetMs() {
      // few verbs ask for it, and going through hundreds of runs takes longer than all else of the configuration
      rpoTargetMs ??= 2 * values.BACKUP_SCHEDULE.longestIntervalMs();
      return rpoTargetMs;
    },
    retention,
    copies,
    passfile: env.PGPASSFILE,
  });
  return { config, settings: { ...settings, warnings } };
}

/** One problem on the line that says so, where a log's reader looks first; several below it. */
function wrong(problems: readonly string[]): string {
  const [only, ...others] = problems;
  if (others.length === 0) return `the configuration is wrong: ${only}`;
  return `the configuration is wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`;
}

/** What the docker client reads. Nothing that compose would put in place of a variable of its env file. */
const DOCKER_CLIENT_VARIABLES = /^(DOCKER_\w+|BUILDX_\w+|BUILDKIT_\w+|XDG_\w+|SSH_AUTH_SOCK|(HTTPS?|NO|ALL)_PROXY)$/i;

/**
 * What the demonstration takes from the environment. It brings its own database and storage: `.env` is not read, and
 * no other variable of this project has a say.
 *
 * @throws OperatorError CONFIG
 */
export function loadDemoSettings(): {
  mode: 'host' | 'docker' | undefined;
  dockerEnvironment: Readonly<Record<string, string>>;
} {
  setChildEnvironment(process.env);
  const dockerEnvironment: Record<string, string> = {};
  for (const [name, text] of Object.entries(process.env)) {
    if (text !== undefined && DOCKER_CLIENT_VARIABLES.test(name)) dockerEnvironment[name] = text;
  }
  const { DEMO_MODE = '' } = process.env;
  if (DEMO_MODE === '') return { mode: undefined, dockerEnvironment };
  try {
    return { mode: value.oneOf('host', 'docker')(DEMO_MODE), dockerEnvironment };
  } catch (error) {
    throw new OperatorError('CONFIG', `DEMO_MODE ${JSON.stringify(DEMO_MODE)}: ${messageOf(error)}`);
  }
}

function isInside(path: string | undefined, directory: string | undefined): boolean {
  if (!path || !directory) return false;
  return !relative(resolve(directory), resolve(path)).startsWith('..');
}

function deepFreeze<T>(thing: T): T {
  if (typeof thing === 'object' && thing !== null && !Object.isFrozen(thing)) {
    Object.freeze(thing);
    // what is worked out when it is asked for is not asked for here
    for (const { value: part } of Object.values(Object.getOwnPropertyDescriptors(thing))) deepFreeze(part);
  }
  return thing;
}
