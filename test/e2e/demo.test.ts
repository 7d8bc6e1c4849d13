import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inPlace } from '../../demo/lib/bring-up.ts';
import { fingerprint } from '../../demo/lib/fingerprint.ts';
import { DATABASE } from '../../demo/lib/place.ts';
import { tellStory } from '../../demo/lib/story.ts';
import { loadDemoSettings } from '../../scripts/lib/config/config.ts';
import { hasEngine } from '../support/container.ts';
import { leftIn, startDemo } from '../support/demo.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';

const SHOP = fileURLToPath(new URL('../../demo/lib/shop.sql', import.meta.url));
const NO_ENGINE = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };
const NEVER = new AbortController().signal;

function assertStory(stdout: string, steps: readonly string[]): void {
  const headings = [...stdout.matchAll(/^\d+\. (.*)$/gm)].map(([, title]) => title);
  assert.deepEqual(headings, steps);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the absence of one is the point
  assert.doesNotMatch(stdout, /\u001b/, 'no colour');
  const tooLong = stdout.split('\n').filter((line) => [...line].length > 80);
  assert.deepEqual(tooLong, [], '80 columns');
  const digests = [...stdout.matchAll(/^ +([0-9a-f]{64})$/gm)].map(([, digest]) => digest);
  const [whole, restored, undone, again] = digests;
  assert.equal(restored, whole);
  assert.notEqual(undone, whole);
  assert.equal(again, whole);
  assert.match(stdout, /DELETE 35520/);
  assert.match(stdout, /\(RTO\)/);
  assert.match(stdout, /What this left out[\s\S]*Ofelia/);
  assert.match(stdout, /What to do next[\s\S]*cp \.env\.example \.env[\s\S]*make up/);
}

const STEPS = [
  'Bring up a database',
  'Fill it with data',
  'Back it up',
  'See what there is',
  'Make a mistake',
  'Restore',
  'The proof',
  'Undo the restore',
  'And restore again, by its key',
  'And what was written after the backup',
];

describe('the demonstration on the host', () => {
  test('tells the whole story, ignores the settings of the user, and leaves nothing', async () => {
    const ours = temporaryFolder();
    const demo = startDemo([], {
      ...NO_ENGINE,
      BACKUP_DIR: ours,
      POSTGRES_HOST: 'production.example',
      POSTGRES_DB: 'precious',
      BACKUP_SOURCE_PRECIOUS: 'postgres://production.example/precious',
      PGHOST: 'production.example',
    });
    writeFileSync(join(demo.temporary, '../.env'), 'POSTGRES_PORT=nonsense\n');
    const { code, stdout, stderr } = await demo.ended;
    assert.equal(code, 0, stderr);
    assertStory(stdout, [...STEPS, 'Without this tool']);
    assert.match(stdout, /Garage/);
    assert.doesNotMatch(stdout, /precious/);
    assert.deepEqual(filesIn(ours), []);
    assert.deepEqual(leftIn(demo.temporary), []);
  });

  test('takes a restore for failed that brings one thing back otherwise', async () => {
    const { mode: _, ...settings } = loadDemoSettings();
    let stopped = false;
    const story = inPlace({ ...settings, mode: 'host' }, NEVER, async (place) => {
      await tellStory({
        ...place,
        verb: async (name, args) => {
          const printed = await place.verb(name, args);
          if (name === 'restore') await place.psql(DATABASE, "update products set name = name || ' ' where id = 7");
          return printed;
        },
      }).finally(() => {
        stopped = true;
      });
    });
    await assert.rejects(story, /did not show that the shop is as it was before the mistake: the digest is/);
    assert.ok(stopped);
  });
});

test('the fingerprint sees every kind of loss', async () => {
  const { mode: _, ...settings } = loadDemoSettings();
  await inPlace({ ...settings, mode: 'host' }, NEVER, async (place) => {
    await place.psql(DATABASE, readFileSync(SHOP, 'utf8'));
    const whole = await fingerprint(place, DATABASE);
    const digests = new Set([whole.digest]);
    const losses = [
      "update customers set name = 'Zoe Astrom' where id = 20",
      "update products set attributes = attributes - 'discontinued' where id = 1",
      'delete from order_items where order_id = 1000',
      "select setval('invoice_numbers', 1)",
      'alter table customers alter id restart',
      'select lo_unlink(900400)',
      "select lo_put(900001, 3, '\\x00')",
      'alter table orders drop constraint orders_customer_id_fkey',
      'drop index orders_by_customer',
      'drop trigger note_price on products',
      'drop view turnover',
      'alter table audit_log alter id drop identity',
    ];
    for (const loss of losses) {
      await place.psql(DATABASE, loss);
      const { digest } = await fingerprint(place, DATABASE);
      assert.ok(!digests.has(digest), `not seen: ${loss}`);
      digests.add(digest);
    }
    assert.equal(whole.largeObjects, 4);
  });
});

describe('the demonstration, asked for what it cannot do', () => {
  const cases = [
    { args: ['--host', '--docker'], code: 2, says: /--host or --docker, not both/ },
    { args: ['--json'], code: 2, says: /no --json/ },
    { args: [], env: { DEMO_MODE: 'cloud' }, code: 2, says: /DEMO_MODE "cloud": wants one of host, docker/ },
    { args: [], env: { ...NO_ENGINE, DEMO_MODE: 'docker' }, code: 1, says: /no Docker engine[\s\S]*DEMO_MODE=host/ },
  ] satisfies { args: string[]; env?: Record<string, string>; code: number; says: RegExp }[];
  for (const { args, env, code, says } of cases) {
    test(`${[...args, ...Object.entries(env ?? {}).flat()].join(' ')} ends with ${code} and says why`, async () => {
      const demo = startDemo(args, env);
      const outcome = await demo.ended;
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, says);
      assert.deepEqual(leftIn(demo.temporary), []);
    });
  }
});

describe('the demonstration in Docker', { skip: hasEngine() ? false : 'no Docker engine' }, () => {
  const ours = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8' })
      .split('\n')
      .filter((name) => name.startsWith('compose-db-backup-demo-'));
  const everything = () => [
    ...ours('ps', '--all', '--format={{.Names}}'),
    ...ours('volume', 'ls', '--format={{.Name}}'),
    ...ours('network', 'ls', '--format={{.Name}}'),
    ...ours('image', 'ls', '--format={{.Repository}}'),
  ];

  test('tells the whole story and leaves nothing', { timeout: 10 * 60_000 }, async (t) => {
    const demo = startDemo(['--docker']);
    const { code, stdout, stderr } = await demo.ended;
    if (/docker compose build exited/.test(stderr)) {
      t.skip(`the image could not be built: ${stderr}`);
      return;
    }
    assert.equal(code, 0, stderr);
    assertStory(stdout, STEPS);
    const project = /the compose project\s+(\S+)\.\n/.exec(stdout)?.[1] ?? 'the project is not named';
    assert.match(project, /^compose-db-backup-demo-[0-9a-f]{8}$/);
    assert.deepEqual(
      everything().filter((name) => name.startsWith(project)),
      [],
    );
    assert.ok(existsSync(demo.temporary));
    assert.deepEqual(leftIn(demo.temporary), []);
  });
});
