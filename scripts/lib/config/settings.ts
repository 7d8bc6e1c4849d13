import { registerSecret } from '../terminal/log.ts';
import { isOfCopy } from './copies.ts';
import { withoutQuotes } from './env-file.ts';
import { FOREIGN_NAMES, type ForeignName, foreignName, isMeant } from './foreign-names.ts';
import { readValue } from './from-files.ts';
import { isOption } from './leave-out.ts';
import { isOwnSetting } from './own-settings.ts';
import { judgeUnknownNames } from './unknown-names.ts';
import { isSecret, VARIABLES } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Whence a value comes, and where exactly: `.env:12`, the file's path, the other program's variable. */
export interface Origin {
  readonly kind: 'default' | '.env' | 'environment' | 'file' | 'alias';
  readonly where: string;
}

/** What is set, under our names. */
export interface Settings {
  readonly env: Readonly<Record<string, string>>;
  readonly origins: ReadonlyMap<string, Origin>;
  /** What an operator should know, and what stops nothing. */
  readonly warnings: readonly string[];
}

const ENVIRONMENT: Origin = { kind: 'environment', where: 'environment' };
/** Families whose members everybody names for himself. */
const SOURCE = /^(BACKUP_SOURCE|PITR_SERVER)_.+$/;
/** Goes with a pair of AWS keys that is read as ours. */
export const SESSION_TOKEN = 'AWS_SESSION_TOKEN';

/**
 * Puts everything that is set under our names: from files (`<VARIABLE>_FILE`), and from the variables of other programs.
 * What is believed to be a setting and is none becomes a problem or a warning.
 *
 * @param originOf where a variable of the environment was found
 */
export function resolveSettings(
  environment: Environment,
  problems: string[],
  originOf: (name: string) => Origin = () => ENVIRONMENT,
): Settings {
  const env: Record<string, string> = {};
  const origins = new Map<string, Origin>();
  const read = withoutQuotes(environment, { isOurs: isRead, isSecret: isSecretName });
  problems.push(...read.problems);
  const warnings = [...read.warnings];
  // an empty value is how compose passes on what is not set
  for (const [name, text] of Object.entries(read.environment)) {
    if (text === undefined) continue;
    if (text === '') {
      noteEmpty(name, read.environment, problems, warnings);
      continue;
    }
    env[name] = text;
    origins.set(name, originOf(name));
  }
  readFiles(env, origins, problems);
  for (const [name, text] of Object.entries(env)) if (isSecretName(name)) registerSecret(text);
  const ignored = new Set((env.BACKUP_IGNORE_VARIABLES ?? '').split(/[\s,]+/));
  const given = { ...env };
  for (const row of FOREIGN_NAMES) {
    for (const name of Object.keys(given)) {
      if (ignored.has(name) || foreignName(name) !== row || !isMeant(row, given[name] ?? '')) continue;
      treat(row, name, { env, given, origins, problems, warnings });
    }
  }
  const judged = judgeUnknownNames(given);
  problems.push(...judged.problems);
  if (judged.unknown.length > 0) {
    warnings.push(
      `${judged.unknown.join(', ')}: no variable${judged.unknown.length === 1 ? '' : 's'} of this program, and without effect. ` +
        'If another program reads it, name it in BACKUP_IGNORE_VARIABLES',
    );
  }
  return { env, origins, warnings };
}

/** What names itself is there on purpose: a variable that Compose put in, and that was not set, makes nothing of it. */
function noteEmpty(name: string, environment: Environment, problems: string[], warnings: string[]): void {
  if ((environment[`${name}_FILE`] ?? '') !== '') return;
  if (SOURCE.test(name) && isUrlName(name))
    problems.push(
      `${name} is empty, and nothing would be ${name.startsWith('PITR') ? 'received' : 'backed up'} for it: give it a URL, or remove it`,
    );
  else if (isOfCopy(name) && !/_(ACCESS_KEY|SECRET_KEY)(_FILE)?$/.test(name))
    warnings.push(`${name} is empty: nothing is copied there; give it a URL, or remove it`);
  else if (name === 'BACKUP_AGE_RECIPIENTS')
    warnings.push(`${name} is empty: backups are stored as plain text; give it a public key, or remove it`);
}

/** Whether a variable of these families is a source or a server, and not something said of one. */
const isUrlName = (name: string) =>
  !/_PASSWORD(_FILE)?$|_FILE$/.test(name) && !isOption(name, '') && !isOwnSetting(name, '');

/** Whether a value, also one of another program's that is read as ours, is never to be printed. */
export function isSecretName(name: string): boolean {
  if (isSecret(name) || name === SESSION_TOKEN) return true;
  const row = foreignName(name);
  return row?.what.kind === 'alias' && isSecret(row.what.ours);
}

/** Replaces every `<VARIABLE>_FILE` by the file's content, without the line breaks at its end. */
function readFiles(env: Record<string, string>, origins: Map<string, Origin>, problems: string[]): void {
  for (const [fileName, path] of Object.entries(env)) {
    if (!fileName.endsWith('_FILE') || Object.hasOwn(VARIABLES, fileName)) continue;
    const name = fileName.slice(0, -'_FILE'.length);
    // a source may be called "…-file"; a URL is no path
    const isFamily = SOURCE.test(name) || isOfCopy(name);
    if (!isReadFromFile(name) || (isFamily && /^\w+:\/\//.test(path))) continue;
    if (env[name] !== undefined) {
      problems.push(`${name} and ${fileName} are both set; keep one`);
      continue;
    }
    try {
      env[name] = readValue(path);
      origins.set(name, { kind: 'file', where: `${path} (${fileName})` });
      if (isFamily) delete env[fileName];
    } catch (error) {
      problems.push(`${fileName}: ${error instanceof Error ? error.message : String(error)}`);
      if (isFamily) delete env[fileName];
    }
  }
}

/** Whether this program reads the variable, as its own or in place of one of its own, or the file that it names. */
export function isRead(name: string): boolean {
  return isReadFromFile(name) || (name.endsWith('_FILE') && isReadFromFile(name.slice(0, -'_FILE'.length)));
}

function isReadFromFile(name: string): boolean {
  if (Object.hasOwn(VARIABLES, name) || SOURCE.test(name) || isOfCopy(name) || name === SESSION_TOKEN) return true;
  return foreignName(name)?.what.kind === 'alias';
}

interface Resolution {
  /** Under our names, growing. */
  readonly env: Record<string, string>;
  /** As it was set. */
  readonly given: Readonly<Record<string, string>>;
  readonly origins: Map<string, Origin>;
  readonly problems: string[];
  readonly warnings: string[];
}

function treat({ of, what }: ForeignName, name: string, resolution: Resolution): void {
  const { env, given, origins, problems, warnings } = resolution;
  const text = given[name] ?? '';
  const whose = of === undefined ? name : `${name} (of ${of})`;
  switch (what.kind) {
    case 'pass':
      return;
    case 'refuse':
      if (!isAnySet(given, what.unless)) problems.push(`${whose} ${what.advice}`);
      return;
    case 'warn':
      if (!isAnySet(given, what.unless)) warnings.push(`${whose} ${what.advice}`);
      return;
    case 'alias': {
      const { ours, together, except, convert, whenBoth } = what;
      if (except?.(env) || together?.some((each) => given[each] === undefined)) return;
      if (together && (given.S3_ACCESS_KEY ?? given.S3_SECRET_KEY) !== undefined) return;
      const value = convert?.(text) ?? text;
      const present = env[ours];
      if (present === undefined) {
        env[ours] = value;
        origins.set(ours, { kind: 'alias', where: `${name} (${origins.get(name)?.where ?? 'environment'})` });
        if (what.isTold) warnings.push(`${whose} is read as ${ours}; write ${ours}`);
      } else if (present !== value && whenBoth !== 'ours') {
        const other = origins.get(ours);
        const both = `${whose} and ${ours}${other?.kind === 'alias' ? `, from ${other.where},` : ''} are set to different values`;
        if (whenBoth === 'refuse') problems.push(`${both}; keep ${ours}`);
        else warnings.push(`${both}: ${ours} is in force`);
      }
    }
  }
}

function isAnySet(given: Readonly<Record<string, string>>, names: readonly string[] = []): boolean {
  return names.some((name) =>
    name.endsWith('*')
      ? Object.keys(given).some((each) => each.startsWith(name.slice(0, -1)))
      : given[name] !== undefined,
  );
}
