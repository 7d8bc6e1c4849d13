import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEngine } from '../support/container.ts';
import { temporaryFolder } from '../support/folders.ts';
import { createStack, type Outcome, type Stack } from '../support/stack.ts';
import { until } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: copies of the stack left out';
const RCLONE = 'rclone/rclone:1.76';
const PASSWORD = randomBytes(8).toString('hex');

/** What stands for a machine elsewhere, which speaks nothing but SFTP. */
const NAS = `
  nas:
    image: ${RCLONE}
    entrypoint: [sh, -c]
    command: ['mkdir -p /data/backups/db && exec rclone serve sftp --addr :2022 --user backup --pass ${PASSWORD} /data']
    tmpfs: [/data]
`;
const KEYS = { access: randomBytes(20).toString('hex'), secret: randomBytes(20).toString('hex') };
const GATEWAY = {
  ...{ COMPOSE_PROFILES: 'rclone,pitr', RCLONE_REMOTE: 'nas:backups' },
  ...{ RCLONE_ACCESS_KEY: KEYS.access, RCLONE_SECRET_KEY: KEYS.secret },
  ...{ COPY_NAS: 's3://db?endpoint=http://rclone:8080' },
  ...{ COPY_NAS_ACCESS_KEY: KEYS.access, COPY_NAS_SECRET_KEY: KEYS.secret },
};

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`);
  return outcome;
}

function configOfRclone(): string {
  const obscured = execFileSync('docker', ['run', '--rm', RCLONE, 'obscure', PASSWORD], { encoding: 'utf8' });
  const path = join(temporaryFolder(), 'rclone.conf');
  writeFileSync(path, `[nas]\ntype = sftp\nhost = nas\nport = 2022\nuser = backup\npass = ${obscured}`, {
    mode: 0o644,
  });
  return path;
}

describe('copies of a stack, behind SFTP', { skip, concurrency: false }, () => {
  let stack: Stack;
  before(async () => {
    stack = createStack({ POSTGRES_PASSWORD: PASSWORD, BACKUP_SCHEDULE: '@every 1h' }, { services: NAS });
    const schedules = { COPY_SCHEDULE: '@every 15s', VERIFY_SCHEDULE: '@every 20s' };
    succeeded(await stack.up({ ...GATEWAY, ...schedules, RCLONE_CONFIG_FILE: configOfRclone() }));
  });
  after(async () => {
    assert.deepEqual(await stack?.tearDown(), []);
  });

  const ofelia = async () => (await stack.compose(['logs', '--no-log-prefix', 'ofelia'])).stdout;
  const status = async () => (await stack.verb(['status', '--json'])).json;
  const nas = async () => (await status()).copies.find(({ name }: { name: string }) => name === 'nas');
  /** Asks status about the copy now and then; each time costs the stack a process. */
  const untilNas = (what: string, is: (copy: { [field: string]: unknown }) => boolean) =>
    until(what, async () => {
      await sleep(1_000);
      const found = await status();
      return is(found.copies[0]) ? found : undefined;
    });
  const inNas = async (...command: string[]) =>
    succeeded(await stack.compose(['exec', '--no-TTY', 'nas', ...command])).stdout;
  let key: string;

  test('a receiver that has no log to take waits, is well, and says once what to set', async () => {
    const state = '{{.State.Health.Status}} {{.RestartCount}}';
    const id = (await stack.compose(['ps', '--quiet', 'receiver'])).stdout.trim();
    assert.equal((await stack.docker(['inspect', '--format', state, id])).stdout.trim(), 'healthy 0');
    const said = (await stack.compose(['logs', '--no-log-prefix', 'receiver'])).stdout;
    assert.equal(said.match(/there is no server whose log is to be taken: PITR is off/g)?.length, 1, said);
    assert.match(said, /set PITR=true in \.env, or PITR_SERVER_<NAME>/);
    const byHand = await stack.verb(['receive']);
    assert.equal(byHand.code, 2, 'a command of exec is not started again');
    succeeded(await stack.compose(['stop', '--timeout', '20', 'receiver']));
    assert.equal((await stack.docker(['inspect', '--format', '{{.State.ExitCode}}', id])).stdout.trim(), '0');
  });

  test('are made by the schedule, through rclone, and are the same bytes', async () => {
    key = succeeded(await stack.verb(['backup', '--json'])).json.results[0].key;
    await untilNas('the copy has it', ({ missing, backups }) => missing === 0 && Number(backups) > 0);
    const log = await ofelia();
    for (const job of ['backup', 'cleanup', 'drill', 'copy', 'verify', 'base'])
      assert.match(log, new RegExp(`New job registered "${job}" - "${job}( --scheduled)?" - "`));
    await until('Ofelia says so', async () => /"copy".*Finished in .*failed: false/.test(await ofelia()) || undefined);
    const files = (await inNas('find', '/data/backups/db', '-type', 'f')).trim().split('\n');
    assert.ok(files.includes(`/data/backups/db/${key}`), files.join('\n'));
    assert.equal((await nas()).lastBackup.key, key);
  });

  test('are read back by the schedule, and a damaged one makes status red', async () => {
    await untilNas('it was read back', ({ lastVerified }) => lastVerified !== null);
    await until(
      'Ofelia says so',
      async () => /"verify".*Finished in .*failed: false/.test(await ofelia()) || undefined,
    );
    const well = await status();
    for (const job of ['copy', 'verify']) {
      const found = well.jobs.find((each: { job: string }) => each.job === job);
      assert.deepEqual([found?.ok, found?.failed, found?.lastSeen !== null], [true, [], true], job);
    }
    assert.equal((await nas()).unreadable, 0);
    await inNas('sh', '-c', `printf x | dd of='/data/backups/db/${key}' bs=1 seek=100 conv=notrunc`);
    const red = await untilNas('it was read back again', ({ unreadable }) => Number(unreadable) > 0);
    assert.equal(red.ok, false);
    assert.match((await nas()).reasons.join('\n'), /was damaged when it was read back/);
    const verify = red.jobs.find(({ job }: { job: string }) => job === 'verify');
    assert.ok(verify.failed.length > 0);
    assert.match(await ofelia(), /"verify".*Finished in .*failed: true/);
  });

  test('restore, from there alone', async () => {
    const { key: last } = succeeded(await stack.verb(['backup', '--json'])).json.results[0];
    succeeded(await stack.verb(['copy']));
    const restored = succeeded(
      await stack.verb(['restore', '--json', '--from', 'nas', '--to', 'look', '--', 'latest']),
    );
    assert.equal(restored.json.key, last);
  });

  test('are served to nobody by an rclone without keys, or without a remote, which says so', async () => {
    for (const [wrong, says] of [
      [`RCLONE_AUTH_KEY="${KEYS.access},"`, /RCLONE_ACCESS_KEY and RCLONE_SECRET_KEY are not set/],
      ['RCLONE_AUTH_KEY=","', /RCLONE_ACCESS_KEY and RCLONE_SECRET_KEY are not set/],
      ['RCLONE_REMOTE=', /RCLONE_REMOTE is not set/],
    ] as const) {
      const { code, stderr } = await stack.compose([
        'run',
        '--rm',
        '--no-deps',
        '--no-TTY',
        `--env=${wrong}`,
        'rclone',
      ]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
    }
  });
});
