import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../scripts/lib/config/variables.ts';
import { temporaryFolder } from '../support/folders.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const hasCompose = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0;
const skip = hasCompose ? false : 'no Docker Compose: the ways of a setting into the container left out';

/** What a shell, Compose, a URL and an env file would each like to read in a way of its own. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: not a template, which is the point
const ODD = 'p$HOME $$ ${PATH} #1 "two" \\n %20 @:/? `id` é';
const NAMES = [
  ...Object.keys(VARIABLES),
  ...['BACKUP_SOURCE_SHOP', 'BACKUP_SOURCE_SHOP_PASSWORD', 'S3_SECRET_KEY_FILE', 'AWS_REGION'],
];
/** Read by Compose itself, or part of a name that it makes of them. */
const OF_COMPOSE = new Set(['POSTGRES_VERSION']);
const names = NAMES.filter((name) => !OF_COMPOSE.has(name));

type Environment = Readonly<Record<string, string | null>>;

/** What the backup container gets, as Compose says. */
function inContainer(
  files: Readonly<Record<string, string>>,
  { env = {}, args = [] }: { env?: Readonly<Record<string, string>>; args?: readonly string[] } = {},
): Environment {
  const folder = temporaryFolder();
  cpSync(join(PROJECT, 'docker-compose.yml'), join(folder, 'docker-compose.yml'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { PATH, HOME } = process.env;
  const { status, stdout, stderr } = spawnSync('docker', ['compose', ...args, 'config', '--format', 'json'], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH, HOME, COMPOSE_PROJECT_NAME: 'ways', ...env },
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '', 'Compose has nothing to say');
  return JSON.parse(stdout).services.backup.environment;
}

/** What Compose prints can be read by Compose again, with each $ twice. */
const plain = (value: string | null | undefined) => value?.replaceAll('$$', '$');

const linesOf = (value: (name: string) => string, end = '\n') =>
  names.map((name) => `${name}=${value(name)}${end}`).join('');

describe('every setting reaches the container as it was given', { skip }, () => {
  const quoted = (name: string) => `'${ODD} of ${name}'`;
  const assertAll = (environment: Environment) => {
    for (const name of names) assert.equal(plain(environment[name]), `${ODD} of ${name}`, name);
  };

  test('in single quotes in .env', () => assertAll(inContainer({ '.env': linesOf(quoted) })));

  test('in an .env that came from Windows, with comments behind', () => {
    assertAll(inContainer({ '.env': linesOf((name) => `${quoted(name)} # of the application`, '\r\n') }));
  });

  test('behind export', () => {
    const exported = linesOf(quoted)
      .replaceAll(/^/gm, 'export ')
      .replace(/export $/, '');
    assertAll(inContainer({ '.env': exported }));
  });

  test('in an env file of another name that Compose is told of', () => {
    const file = `BACKUP_ENV_FILE=prod.env\n${linesOf(quoted)}`;
    assertAll(inContainer({ 'prod.env': file }, { args: ['--env-file', 'prod.env'] }));
  });

  test('in the environment of the shell, over .env', () => {
    // what docker-compose.yml names; make refuses the rest
    const ours = names.filter((name) => Object.hasOwn(VARIABLES, name));
    const env = Object.fromEntries(ours.map((name) => [name, `${ODD} of ${name}`]));
    const environment = inContainer({ '.env': linesOf(() => "'of the file'") }, { env });
    for (const name of ours) assert.equal(plain(environment[name]), env[name], name);
  });

  test('in an override', () => {
    const block = names.map((name) => `      ${name}: '${ODD.replaceAll('$', '$$$$')} of ${name}'\n`).join('');
    const override = `services:\n  backup:\n    environment:\n${block}`;
    assertAll(inContainer({ '.env': linesOf(() => "'of the file'"), 'docker-compose.override.yml': override }));
  });

  test('and an empty one, or one in double quotes, is read as Compose reads it', () => {
    const environment = inContainer({
      '.env': `S3_PREFIX=\nNOTIFY_URL=""\nBACKUP_DIR="a#b \\"c\\""\nS3_SECRET_KEY=a$$b#c\n`,
    });
    assert.equal(environment.S3_PREFIX, '');
    assert.equal(environment.NOTIFY_URL, '');
    assert.equal(environment.BACKUP_DIR, 'a#b "c"');
    assert.equal(plain(environment.S3_SECRET_KEY), 'a$b#c');
  });
});
