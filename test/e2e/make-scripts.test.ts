import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/folders.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** A clone with what the scripts of make need, and a stand-in for docker that notes what it is asked. */
function clone(docker: string) {
  const folder = temporaryFolder();
  for (const path of ['scripts/make', 'docker', 'drill-checks', 'docker-compose.yml', '.env.example'])
    cpSync(join(PROJECT, path), join(folder, path), { recursive: true });
  cpSync(join(folder, '.env.example'), join(folder, '.env'));
  mkdirSync(join(folder, 'bin'));
  const program = `#!/bin/sh\necho "$*" >>"${folder}/asked"\ncase "$*" in\n${docker}\nesac\n`;
  writeFileSync(join(folder, 'bin/docker'), program, { mode: 0o755 });
  return {
    folder,
    asked: () => (existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8') : ''),
    run: (script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
      spawnSync(join(folder, 'scripts/make', script), args, {
        cwd: '/',
        encoding: 'utf8',
        env: { PATH: [join(folder, 'bin'), process.env.PATH].join(delimiter), HOME: folder, ...env },
      }),
  };
}

const ENGINE = `info*) echo 28.0.0;;\n'compose version'*) echo 2.40.3;;\n'compose config') echo 'name: shop';;`;

describe('a folder whose project is that of another clone', () => {
  const others = [
    ['has its containers', `${ENGINE}\n'ps '*) echo /srv/shop/backup;;`],
    ['has left its volumes', `${ENGINE}\n'volume ls'*) echo shop_postgres-data;;`],
  ] as const;
  for (const [what, docker] of others) {
    for (const [script, ...args] of [['up.sh'], ['down.sh', '--volumes', '--rmi', 'local']] as const) {
      test(`that ${what} is left alone by ${script}`, () => {
        const { run, asked } = clone(docker);
        const { status, stderr } = run(script, args);
        assert.equal(status, 1, stderr);
        assert.match(stderr, /There is a stack called shop already/);
        assert.match(stderr, /COMPOSE_PROJECT_NAME=another-name/);
        assert.doesNotMatch(asked(), /^compose.* (up|down|build|run)\b/m);
      });
    }
  }

  test('is told that it is this very one, or knows it', () => {
    for (const [, docker] of others) {
      const { run, asked } = clone(docker);
      const { status, stderr } = run('down.sh', ['--volumes'], { MOVED: 'yes' });
      assert.equal(status, 0, stderr);
      assert.match(asked(), /^compose --profile \* down --volumes/m);
    }
    const own = clone(`${ENGINE}\n'ps '*) cd "$(dirname "$0")/.." && pwd -P;;`);
    assert.equal(own.run('down.sh', ['--volumes']).status, 0);
  });
});

test('what the containers could not read is named before anything is started', () => {
  const { folder, run, asked } = clone(ENGINE);
  chmodSync(join(folder, 'docker/garage/garage.toml'), 0o600);
  const { status, stderr } = run('up.sh');
  assert.equal(status, 1);
  assert.match(stderr, /may not read: docker\/garage\/garage\.toml/);
  assert.match(stderr, /chmod -R a\+rX/);
  assert.doesNotMatch(asked(), /^compose.* up\b/m);
});

test('a folder of which Compose can make no name for the stack is told how to give it one', () => {
  const refuses = `info*) echo 28.0.0;;\n'compose version'*) echo 2.40.3;;\ncompose*) echo 'project name must not be empty' >&2; exit 1;;`;
  for (const [script, ...args] of [['up.sh'], ['down.sh'], ['run-verb.sh', 'backup']] as const) {
    const { status, stderr } = clone(refuses).run(script, args);
    assert.equal(status, 1, script);
    assert.match(stderr, /project name must not be empty\n.*\n.*COMPOSE_PROJECT_NAME=shop/, script);
  }
});

test('a stack that does not come up on the engine of another machine says what is missing there', () => {
  const docker = (host: string) =>
    `'compose ps'*) echo 0a;;\n'inspect'*) echo exited;;\n'context inspect'*) echo ${host};;`;
  assert.match(
    clone(docker('ssh://me@server')).run('why-not-up.sh').stderr,
    /engine is on another machine.*Clone it there/,
  );
  assert.doesNotMatch(clone(docker('unix:///var/run/docker.sock')).run('why-not-up.sh').stderr, /another machine/);
});

test('a folder that may not be written starts its stack all the same, and says what it cannot remember', () => {
  const { folder, run } = clone(`${ENGINE}\n'compose run'*) ;;`);
  mkdirSync(join(folder, '.compose-stacks'));
  const { status, stderr } = run('up.sh');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /\.compose-stacks in this folder cannot be written/);
});

test('a backup container whose backups are not recent does not keep make up from starting what is missing', () => {
  const docker = (health: string) => `'compose ps'*) echo bac0;;
'inspect'*) if grep -q '^exec' "$(dirname "$0")/../asked"; then echo healthy; else echo ${health}; fi;;
'exec bac0 sh -c'*) echo 'myapp: no backup in the last 2h';;`;
  const { run, asked } = clone(docker('unhealthy'));
  const { status, stderr } = run('forget-health.sh');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /was unhealthy: myapp: no backup in the last 2h/);
  assert.match(asked(), /^exec bac0 .*echo 0 >\/tmp\/health/m);
  const well = clone(docker('healthy'));
  assert.equal(well.run('forget-health.sh').status, 0);
  assert.doesNotMatch(well.asked(), /^exec/m);
  const up = readFileSync(join(PROJECT, 'scripts/make/up.sh'), 'utf8');
  assert.ok(up.indexOf('forget-health.sh') > 0 && up.indexOf('forget-health.sh') < up.indexOf('docker compose up'));
});

describe('make up asks Ofelia', () => {
  const said = (logs: string, driver = 'json-file') => `
'compose ps --all --quiet ofelia') echo 0fe11a;;
'compose ps --quiet backup') echo bac0;;
'inspect --format {{.State.StartedAt}} '*) echo 2026-01-01T00:00:00Z;;
'inspect --format {{.State.Status}} '*) echo running;;
'inspect --format {{range $name'*) printf 'ofelia.job-exec.backup.schedule=@hourly\\nofelia.job-exec.drill.schedule=off\\n';;
'logs '*) ${driver === 'none' ? "echo 'Error response from daemon: configured logging driver does not support reading' >&2; exit 1" : `printf '${logs}\\n'`};;`;

  test('and is content when it has taken every job that has a schedule', () => {
    const { status, stderr } = clone(said('NOTICE New job registered "backup" - "backup" - "@hourly"')).run(
      'ask-ofelia.sh',
    );
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
  });

  test('and fails with its words when it has refused one', () => {
    const docker = said(
      'NOTICE New job registered "drill"\\nWARNING Failed to register job "backup": expected 5 to 6 fields',
    );
    const { status, stderr } = clone(docker).run('ask-ofelia.sh');
    assert.equal(status, 1);
    assert.match(stderr, /has not taken the job backup: it will not run[\s\S]*Failed to register job "backup"/);
  });

  test('and names the socket that it was given in place of the one of this shell', () => {
    const folder = temporaryFolder();
    for (const [mounted, says] of [
      [folder, /is a folder, made because nothing was there.*DOCKER_SOCKET=\/run\/user\/1000\/docker\.sock/],
      ['/var/run/docker.sock', /speaks to the engine at \/run\/user\/1000\/docker\.sock.*DOCKER_SOCKET=/],
    ] as const) {
      const sockets = `'context inspect'*) echo unix:///run/user/1000/docker.sock;;\n'inspect --format {{range .Mounts'*) echo ${mounted};;`;
      const { status, stderr } = clone(`${said('Failed to register job "backup"')}\n${sockets}`).run('ask-ofelia.sh');
      assert.equal(status, 1);
      assert.match(stderr, says);
    }
  });

  test('and fails when an override has given it another schedule than status expects', () => {
    const registered = said('New job registered "backup" - "backup" - "@hourly"');
    const given = (schedule: string) =>
      `'inspect --format {{range .Config.Env'*) printf 'TZ=UTC\nBACKUP_SCHEDULE=${schedule}\nDRILL_SCHEDULE=off\n';;`;
    const other = clone(`${registered}\n${given('@every 15m')}`).run('ask-ofelia.sh');
    assert.equal(other.status, 1);
    assert.match(
      other.stderr,
      /starts the job backup by its label, at @hourly, and status expects it .* at @every 15m/,
    );
    const same = clone(`${registered}\n${given('@hourly')}`).run('ask-ofelia.sh');
    assert.equal(same.status, 0, same.stderr);
  });

  test('and says that nobody can tell where its log cannot be read', () => {
    const { status, stderr } = clone(said('', 'none')).run('ask-ofelia.sh');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /cannot be seen/);
  });
});

const hasCompose = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0;

test('example secrets are known by their values, however they are written', {
  skip: hasCompose ? false : 'no Docker Compose',
}, () => {
  const { folder, run } = clone('');
  const example = readFileSync(join(folder, '.env.example'), 'utf8');
  const value = /^S3_SECRET_KEY='(.*)'$/m.exec(example)?.[1] ?? '';
  const { PATH = '' } = process.env;
  const own =
    "POSTGRES_PASSWORD='x'\nS3_ACCESS_KEY='x'\nGARAGE_RPC_SECRET='x'\nMARIADB_PASSWORD=x\nMARIADB_ROOT_PASSWORD=x\n";
  for (const line of [
    `S3_SECRET_KEY=${value}`,
    `S3_SECRET_KEY="${value}"`,
    `export S3_SECRET_KEY='${value}'`,
    `S3_SECRET_KEY=${value} # of the example`,
    `S3_SECRET_KEY='${value}'\r`,
    `S3_SECRET_KEY = '${value}'`,
  ]) {
    writeFileSync(join(folder, '.env'), `${own}${line}\n`);
    const { status, stderr } = run('warn-of-examples.sh', [], { PATH });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /the examples that everybody knows: S3_SECRET_KEY $/m, line);
  }
  writeFileSync(join(folder, '.env'), `${own}S3_SECRET_KEY='of mine'\n`);
  assert.equal(run('warn-of-examples.sh', [], { PATH }).stderr, '');
});

const isClone = existsSync(join(PROJECT, '.git')) && spawnSync('git', ['--version']).status === 0;

test('a clone under Windows’ settings has no line end that the image could not run', {
  skip: isClone ? false : 'no clone',
}, () => {
  const folder = join(temporaryFolder(), 'clone');
  const git = (...args: string[]) => spawnSync('git', args, { cwd: PROJECT, encoding: 'utf8' });
  const made = git('clone', '--quiet', '--shared', '--config', 'core.autocrlf=true', '.', folder);
  assert.equal(made.status, 0, made.stderr);
  const paths = git('-C', folder, 'ls-files', '*.sh', 'docker', 'scripts', '.env.example', 'Makefile').stdout.split(
    '\n',
  );
  const crlf = paths.filter((path) => path !== '' && readFileSync(join(folder, path), 'utf8').includes('\r\n'));
  assert.deepEqual(crlf, []);
});
