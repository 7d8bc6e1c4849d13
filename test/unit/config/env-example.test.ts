import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'dotenv';
import { configure } from '../../../scripts/lib/config/config.ts';
import { foreignName } from '../../../scripts/lib/config/foreign-names.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

const EXAMPLE = read('.env.example');
const COMPOSE = read('docker-compose.yml');
const ACTIVE = parse(EXAMPLE);
/** What the lines that are commented out would set. */
const DEFAULTS = parse(EXAMPLE.replaceAll(/^# ([A-Z0-9_]+=)/gm, '$1'));

/** `${NAME:-default}` and `${NAME-default}` in the compose file. */
const INTERPOLATED = [...COMPOSE.matchAll(/\$\{([A-Z0-9_]+)(?::?-([^}]*))?\}/g)].map(([, name = '', value]) => ({
  name,
  value,
}));

/** Set by Compose itself, by make, and by tests. */
const NOT_FOR_USERS = ['COMPOSE_PROJECT_NAME', 'BACKUP_ENV_FILE', 'UPGRADE_VERSION'];

describe('.env.example', () => {
  test('is a valid configuration as it stands', () => {
    assert.deepEqual(
      configure(ACTIVE).sources.map(({ name }) => name),
      ['myapp'],
    );
  });

  test('has every variable that the scripts read', () => {
    const names = [...read('scripts/lib/config/variables.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+): \w+\(/gm)].map(
      ([, name]) => name,
    );
    assert.ok(names.length > 30, 'the table of variables was not found');
    assert.deepEqual(
      names.filter((name) => !Object.hasOwn(DEFAULTS, name ?? '')),
      [],
    );
  });

  test('has every variable that the compose file reads', () => {
    const names = new Set(INTERPOLATED.map(({ name }) => name));
    assert.ok(names.size > 10);
    assert.deepEqual(
      [...names].filter(
        (name) => !Object.hasOwn(DEFAULTS, name) && !NOT_FOR_USERS.includes(name) && !foreignName(name),
      ),
      [],
    );
  });

  test('shows the defaults that the scripts have', () => {
    const settings = Object.entries(DEFAULTS).filter(
      // the compose file's own, and examples rather than defaults
      ([name, value]) =>
        value !== '' && name !== 'S3_ENDPOINT' && !/^(BACKUP_SOURCE_|PITR_SERVER_|COPY_(?!SCHEDULE))/.test(name),
    );
    assert.deepEqual(plain(configure(Object.fromEntries(settings))), plain(configure(ACTIVE)));
  });

  test('shows the defaults that the compose file has', () => {
    for (const { name, value = '' } of INTERPOLATED) {
      // what Compose itself decides, or the image, is shown by no value
      if (
        value === '' ||
        name === 'DRILL_DIR' ||
        value.includes('${') ||
        Object.hasOwn(ACTIVE, name) ||
        NOT_FOR_USERS.includes(name)
      )
        continue;
      assert.equal(DEFAULTS[name], value, name);
    }
  });
});

/** Schedules carry functions, which are never equal. */
function plain(config: ReturnType<typeof configure>): unknown {
  return JSON.parse(JSON.stringify(config));
}
