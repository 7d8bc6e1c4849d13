import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasEngine } from '../support/container.ts';
import { createStack, type Stack } from '../support/stack.ts';
import { until } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: the proxy before its socket left out';

describe('the proxy between Ofelia and the socket of Docker', { skip }, () => {
  let stack: Stack;
  before(async () => {
    stack = createStack({
      COMPOSE_PROFILES: 'socket-proxy',
      OFELIA_DOCKER_HOST: 'tcp://socket-proxy:2375',
      DOCKER_SOCKET: '/dev/null',
      POSTGRES_PASSWORD: 'secret of the test',
      BACKUP_SCHEDULE: '@every 5s',
    });
    const up = await stack.up({});
    assert.equal(up.code, 0, up.stderr);
  });
  after(async () => {
    assert.deepEqual(await stack?.tearDown(), []);
  });

  test('lets scheduled backups run', async () => {
    // A dump is listed a moment before its manifest is there.
    await until('a scheduled backup with its manifest', async () => {
      const outcome = await stack.verb(['list', '--json']);
      return outcome.code === 0 && outcome.json.some((backup: { manifest: boolean }) => backup.manifest)
        ? true
        : undefined;
    });
  });

  test('is seen by make up to pass commands for the backup container, or not to', async () => {
    const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
    const ask = () =>
      spawnSync('scripts/make/ask-ofelia.sh', {
        cwd: PROJECT,
        encoding: 'utf8',
        env: { ...stack.environment, BACKUP_ENV_FILE: stack.environment.COMPOSE_ENV_FILES },
      });
    const well = ask();
    assert.equal(well.status, 0, well.stderr);
    const settings = { OFELIA_JOB_CONTAINER: 'another' };
    assert.equal((await stack.up(settings)).code, 0);
    const refused = ask();
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /may not start jobs in the container .*403/);
    assert.match(refused.stderr, /OFELIA_JOB_CONTAINER=/);
    assert.equal((await stack.up({})).code, 0);
  });

  /** Sends a request as Ofelia could, from the network that it shares with the proxy; returns the status. */
  const request = async (method: string, path: string, body = '') => {
    const container = `${stack.project}-backup-1`;
    const script = `
      const { request } = require('node:http');
      const body = process.env.BODY;
      const r = request({ host: 'socket-proxy', port: 2375, method: '${method}', path: process.env.TARGET,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
        (answer) => { console.log(answer.statusCode); process.exit(); });
      r.end(body);`;
    const outcome = await stack.docker([
      ...['run', '--rm', `--network=${stack.project}_jobs`, '--env', `BODY=${body}`],
      ...['--env', `TARGET=${path.replace('CONTAINER', container)}`, '--entrypoint', 'node'],
      ...[`${stack.project}-backup`, '-e', script],
    ]);
    assert.equal(outcome.code, 0, outcome.stderr);
    return Number(outcome.stdout);
  };

  const AS_POSTGRES = '{"AttachStdout":true,"Cmd":["id"],"User":"postgres"}';
  for (const [what, status, method, path, body] of [
    ['a list of containers', 200, 'GET', '/containers/json', ''],
    ['a command of the user postgres in the backup container', 201, 'POST', '/containers/CONTAINER/exec', AS_POSTGRES],
    ['a command in another container', 403, 'POST', '/containers/CONTAINER-2/exec', AS_POSTGRES],
    ['a command of root', 403, 'POST', '/containers/CONTAINER/exec', '{"Cmd":["id"],"User":"root"}'],
    ['a command of nobody in particular', 403, 'POST', '/containers/CONTAINER/exec', '{"Cmd":["id"]}'],
    ['a command of two users', 403, 'POST', '/containers/CONTAINER/exec', '{"User":"postgres","uSER":"root"}'],
    ['a user in disguise', 403, 'POST', '/containers/CONTAINER/exec', '{"User":"postgres","\\u0055ser":"root"}'],
    ['a privileged command', 403, 'POST', '/containers/CONTAINER/exec', '{"User":"postgres","privileged":true}'],
    [
      'a user behind 16 KB',
      403,
      'POST',
      '/containers/CONTAINER/exec',
      `{"User":"postgres","Env":["${'x'.repeat(20_000)}"]}`,
    ],
    ['a new container', 403, 'POST', '/containers/create', '{"Image":"debian"}'],
    ['a path that climbs', 403, 'POST', '/containers/CONTAINER/exec/../../create', '{"Image":"debian"}'],
    ['what else there is to know', 403, 'GET', '/info', ''],
    ['how a container was made', 403, 'GET', '/containers/CONTAINER/json', ''],
  ] as const) {
    test(`${status === 403 ? 'refuses' : 'passes'} ${what}`, async () => {
      assert.equal(await request(method, path, body), status);
    });
  }
});
