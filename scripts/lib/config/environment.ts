import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { parse } from 'dotenv';
import { messageOf, OperatorError } from '../errors.ts';
import { readText } from './from-files.ts';
import { type Environment, isRead, type Origin } from './settings.ts';
import { isOpen } from './variables.ts';

const DOTENV = '.env';

/** What is set, and where each variable of it was found. */
export interface Found {
  readonly environment: Environment;
  originOf(name: string): Origin;
}

/**
 * The environment and `.env` in the working directory, the former winning. What libraries and programs of ours would take
 * from the environment by themselves is taken out of it.
 *
 * @throws OperatorError CONFIG when `.env` is there and cannot be read
 */
export function readEnvironment(): Found {
  // seven lines about Node 20 at every run would bury what matters
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const text = dotenvText();
  const dotenv = parse(text);
  assertReadAlike(text);
  const own = { ...process.env };
  const environment = { ...dotenv, ...own };
  for (const name of Object.keys(environment)) {
    // the driver reads them behind our back; which of them count is said in foreign-names.ts
    if (name.startsWith('PG')) delete process.env[name];
  }
  if (!isUsableFolder(environment.TMPDIR)) {
    delete environment.TMPDIR;
    delete process.env.TMPDIR;
  }
  const lines = text.split('\n');
  return {
    environment,
    originOf(name) {
      if (own[name] !== undefined) return { kind: 'environment', where: 'environment' };
      const assignment = new RegExp(`^\\s*(export\\s+)?${name.replaceAll(/\W/g, '\\$&')}\\s*[=:]`);
      const line = lines.findLastIndex((each) => assignment.test(each));
      return { kind: '.env', where: `${DOTENV}:${line + 1}` };
    },
  };
}

function dotenvText(): string {
  if (!existsSync(DOTENV)) return '';
  try {
    return readText(DOTENV);
  } catch (error) {
    throw new OperatorError('CONFIG', `${DOTENV} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * A # without a space before it begins a comment to dotenv, and is a part of the value to Compose: half of a password would be
 * taken here, and all of it there.
 */
function assertReadAlike(text: string): void {
  text.split('\n').forEach((line, i) => {
    const [, name, value = ''] = /^\s*(?:export\s+)?(\w+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || !isRead(name)) return;
    // Compose puts a variable's value there, or a single $ for two; what reads the file here takes the letters as they are. With
    // another password nothing is let in, which is seen; in another place there are other backups, which is not
    if (isOpen(name) && /^(?!['`])[^#]*\$[A-Za-z_{$]/.test(value))
      throw new OperatorError('CONFIG', `${DOTENV}:${i + 1}: ${name} has a $ in it, which is read in two ways`, {
        hint: `Write its value in single quotes: ${name}='…', and in place of another variable what it stands for.`,
      });
    if (!/^[^'"`#\s][^#]*#/.test(value) || /\s#/.test(value.slice(0, value.indexOf('#') + 1))) return;
    throw new OperatorError('CONFIG', `${DOTENV}:${i + 1}: ${name} has a # in it, which is read in two ways`, {
      hint: `Write its value in single quotes: ${name}='…'. A comment has a space before it.`,
    });
  });
}

/** An application's TMPDIR may name a folder of its own container. */
function isUsableFolder(path: string | undefined): boolean {
  if (path === undefined) return true;
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
