import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../../scripts/lib/config/variables.ts';
import { temporaryFolder } from '../support/folders.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const COMPOSE = read('docker-compose.yml');

/** The lines of a service's key (`labels`), without comments and indentation. */
function linesOf(text: string, service: string, key: string): string[] {
  const body = new RegExp(`^  ${service}:\\n((?:(?:   .*)?\\n)*)`, 'm').exec(text)?.[1] ?? '';
  const lines = new RegExp(`^    ${key}:.*\\n((?:(?:      .*)?\\n)*)`, 'm').exec(body)?.[1] ?? '';
  return lines
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** The snippet for a compose file of one's own, on whichever page it is. */
function snippet(): string {
  const pages = ['README.md', ...readdirSync(new URL('../../docs', import.meta.url)).map((name) => `docs/${name}`)];
  const found = pages
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => [...read(name).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml = '']) => yaml))
    .filter((yaml) => yaml.includes('mcuadros/ofelia'));
  assert.equal(found.length, 1, 'one snippet has Ofelia');
  return found[0] ?? '';
}

describe('docker-compose.yml', () => {
  test('hands every variable on from the shell that starts the stack, as it does those of .env', () => {
    const names = linesOf(COMPOSE, 'backup', 'environment').map((line) => line.split(':')[0] ?? '');
    assert.deepEqual(
      Object.keys(VARIABLES).filter((name) => !names.includes(name)),
      [],
      'add them to the environment of the service backup, as lines without a value',
    );
  });

  test('takes a setting from both the shell and the env file: none has a default of its own that the file could not change', () => {
    for (const line of linesOf(COMPOSE, 'backup', 'environment')) {
      const [, name, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      if (value === '' || value === '""') continue;
      assert.match(value, new RegExp(`^(&\\S+ )?\\$\\{(${name}|BACKUP_ENV_FILE)\\b`), line);
    }
  });

  test('is what the snippet for a project of your own says, label by label', () => {
    const own = snippet();
    for (const [service, key] of [
      ['backup', 'labels'],
      ['ofelia', 'labels'],
      ['ofelia', 'command'],
    ] as const) {
      const lines = linesOf(COMPOSE, service, key);
      assert.ok(lines.length >= 3, `${service}: ${key}`);
      assert.deepEqual(linesOf(own, service, key), lines, `${service}: ${key}`);
    }
  });
});

test('make knows every variable where it stands in the shell, and nothing of others', () => {
  const script = fileURLToPath(new URL('../../scripts/make/settings.sh', import.meta.url));
  const names = [...Object.keys(VARIABLES), 'BACKUP_SOURCE_SHOP', 'BACKUP_SOURCE_SHOP_PASSWORD', 'S3_SECRET_KEY_FILE'];
  const others = [
    'PGHOST',
    'AWS_REGION',
    'EDITOR',
    'POSTGRES_INITDB_ARGS',
    'BASE_URL',
    'HTTP_TIMEOUT',
    'BACKUP_ENV_FILE',
    'COMPOSE_FILE',
  ];
  const env = Object.fromEntries([...names, ...others].map((name) => [name, 'x']));
  const found = execFileSync('bash', ['-c', '. "$0"; shell_settings', script], {
    encoding: 'utf8',
    env: { ...env, PATH: process.env.PATH },
  });
  assert.deepEqual(found.trim().split('\n').sort(), names.sort());
  const empty = execFileSync('bash', ['-c', '. "$0"; shell_settings', script], {
    encoding: 'utf8',
    env: { S3_PREFIX: '', PATH: process.env.PATH },
  });
  assert.equal(empty, 'S3_PREFIX\n', 'also that it is to be empty');
});

test('a setting in a file that Compose alone reads ends make up, unless Compose hands it on', () => {
  const settings = fileURLToPath(new URL('../../scripts/make/settings.sh', import.meta.url));
  const docker = fileURLToPath(new URL('../../scripts/make/docker.sh', import.meta.url));
  const folder = temporaryFolder();
  writeFileSync(join(folder, '.env'), 'BACKUP_SOURCE_SHOP=postgres://u@h/shop\n');
  writeFileSync(join(folder, 'prod.env'), "S3_PREFIX='p'\nexport BACKUP_SOURCE_BLOG=x\nOTHER=1\n");
  const config = (read: string, more = '') =>
    `services:\n  backup:\n    environment:\n      COMPOSE_READ: ${read}\n      S3_PREFIX: p\n${more}`;
  const said = (of: string, ...files: string[]) =>
    spawnSync(
      'bash',
      ['--norc', '-c', '. "$0"; . "$1"; shift; refuse_settings_of_other_files "$@"', docker, settings, of, ...files],
      {
        encoding: 'utf8',
        cwd: folder,
        env: { PATH: process.env.PATH, BACKUP_DIR: 'of the shell' },
      },
    ).stderr;
  assert.match(
    said(config('.env'), '.env', 'prod.env'),
    /Set in prod\.env, which Compose reads, .* given \.env: BACKUP_SOURCE_BLOG $/m,
  );
  assert.equal(said(config('prod.env'), '.env', 'prod.env').includes('BACKUP_SOURCE_SHOP'), true);
  assert.equal(said(config('prod.env'), 'prod.env'), '');
  assert.equal(said(config('.env', '      BACKUP_SOURCE_BLOG: x\n'), 'prod.env'), '');
  assert.equal(said(config('.env')), '');
});

test('a value of .env into which Compose would put something else ends make up, and is named by its line', () => {
  const settings = fileURLToPath(new URL('../../scripts/make/settings.sh', import.meta.url));
  const docker = fileURLToPath(new URL('../../scripts/make/docker.sh', import.meta.url));
  const judged = (...lines: string[]) => {
    const file = join(temporaryFolder(), '.env');
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', '. "$0"; . "$1"; refuse_replaced_values "$2"', docker, settings, file],
      {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: '/root' },
      },
    );
    assert.equal(status === 0, stderr === '');
    return stderr.split('\n').flatMap((line) => /^line (\d+, \w+: .*)$/.exec(line)?.[1] ?? []);
  };
  assert.deepEqual(
    judged(
      'POSTGRES_PASSWORD=of$HOME and $nothing',
      'export S3_SECRET_KEY="a$b"\r',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: not a template
      'S3_PREFIX=${POSTGRES_DB}',
      'POSTGRES_DB=shop',
    ),
    [
      '1, POSTGRES_PASSWORD: $HOME',
      '1, POSTGRES_PASSWORD: $nothing',
      '2, S3_SECRET_KEY: $b',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: not a template
      '3, S3_PREFIX: ${POSTGRES_DB}',
    ],
  );
  assert.deepEqual(
    judged(
      "POSTGRES_PASSWORD='a$b $HOME'",
      'POSTGRES_DB=shop # $x',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: not a template
      'S3_PREFIX=${POSTGRES_DB}/${PART:-a}',
      'DATABASE_URL=postgres://u:p@h/d',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: not a template
      'BACKUP_SOURCE_APP=${DATABASE_URL}',
      'S3_SECRET_KEY=a$$b',
      'APP_SECRET=$x',
      '# S3_BUCKET=$x',
    ),
    [],
    'what is meant so',
  );
});

test('what the image says of itself is not taken away by a name without a value', () => {
  const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(read('docker/backup/Dockerfile')) ?? [];
  const names = [...block.matchAll(/([A-Z_]+)=/g)].map(([, name = '']) => name);
  assert.ok(names.includes('DRILL_DIR'), block);
  for (const name of names) assert.doesNotMatch(read('docker-compose.yml'), new RegExp(`^ +${name}:\\s*$`, 'm'));
});
