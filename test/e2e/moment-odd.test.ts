import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { configure } from '../../scripts/lib/config/config.ts';
import { openLog } from '../../scripts/lib/log/store.ts';
import { openServerLog } from '../../scripts/lib/moment/plan.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import { temporaryFolder } from '../support/folders.ts';
import { SERVER, takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { nothingStays, processesWith, startAtTerminal } from '../support/terminal.ts';
import { runVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(WITH_LOG, ['host replication all 127.0.0.1/32 trust']);
const log = missing ? undefined : await takeLog(postgres);

describe('moments as people write them, and what a restore of them needs', { skip: missing }, () => {
  if (!log) return;
  const database = postgres.freshName();
  const env = () => log.env(database);
  let base = '';
  let between = '';

  before(async () => {
    await postgres.create(database, 'empty');
    base = await log.base();
    await postgres.sql(database, 'create table twice (n int)');
    // two commits of one second, and a time between them
    between = await until('two commits in one second', async () => {
      await postgres.sql(database, 'truncate twice');
      await postgres.sql(database, 'insert into twice values (1)');
      const time = await log.now();
      await postgres.sql(database, 'insert into twice values (2)');
      return (await log.now()).slice(0, 19) === time.slice(0, 19) ? time : undefined;
    });
    await log.take();
  });
  after(() => log.stop());

  const found = async (at: string, environment: Record<string, string> = {}) => {
    const words = ['--at', at, '--source', database, '--query', 'select n from twice order by n', '--json'];
    const look = await runVerb('look', words, { ...env(), ...environment });
    assert.equal(look.code, 0, look.stderr);
    return look.json.rows.map(({ n }: { n: number }) => n);
  };

  test('what is stored while it is listed does not hide what was there before', async () => {
    const repository = await openRepository(configure({ ...env(), PATH: process.env.PATH }).repository);
    const { signal } = new AbortController();
    const server = await openServerLog(openLog(repository), SERVER, signal);
    // what names tell is to the second
    const before = new Date(`${between.slice(0, 19)}Z`);
    await postgres.sql(database, 'insert into twice values (3)');
    await log.take();
    const [stored] = server.bases;
    assert.ok(stored);
    const { path } = await server.reach(stored);
    assert.ok(path.coverage >= before, `${path.coverage.toISOString()} is before ${before.toISOString()}`);
    assert.ok(path.segments.length > 0, 'the log goes on from the base');
    repository.close();
  });

  test('a time between two commits of one second is after the first and before the second', async () => {
    assert.deepEqual(await found(between), [1]);
  });

  test('a time without a zone is UTC, whatever TZ is, and one with a zone is that', async () => {
    const plain = between.replace('T', ' ').replace('Z', '');
    assert.deepEqual(await found(plain, { TZ: 'Asia/Tokyo' }), [1]);
    const ahead = new Date(Date.parse(`${between.slice(0, 19)}Z`) + 9 * 3_600_000).toISOString().slice(0, 19);
    assert.deepEqual(await found(`${ahead}${between.slice(19, -1)}+09:00`), [1]);
  });

  test('a look into one leaves nothing when its query never ends, its terminal is closed, and it is killed', async () => {
    const drillDir = temporaryFolder();
    chmodSync(drillDir, 0o1777);
    const of = { ...env(), DRILL_DIR: drillDir };
    const words = ['--at', between, '--source', database];
    const endless = ['--query', 'select count(*) from generate_series(1, 1e15::bigint)', '--csv'];
    const late = await runVerb('look', [...words, ...endless], { ...of, LOOK_TIMEOUT: '15s' });
    assert.equal(late.code, 1, late.stderr);
    assert.match(late.stderr, /the look took longer than LOOK_TIMEOUT/);
    await nothingStays(drillDir);
    const atPrompt = async () => {
      const { running } = startAtTerminal('look', words, of);
      await until('psql has a prompt', () =>
        processesWith(drillDir).find(({ commandLine }) => commandLine.includes('psql ')),
      );
      return running;
    };
    (await atPrompt()).signal('SIGKILL');
    await nothingStays(drillDir);
    const killed = await atPrompt();
    const [own] = processesWith('look.mjs', drillDir).filter(({ commandLine }) => /^\S*node /.test(commandLine));
    assert.ok(own, 'the look itself');
    process.kill(own.pid, 'SIGKILL');
    await nothingStays(drillDir, true);
    await killed.outcome;
  });

  test('a server of a version that is not installed here is named, before anything is fetched', async () => {
    const path = join(log.store, base);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/"serverVersion": "\d+/, '"serverVersion": "99'));
    const refused = await runVerb('restore', ['--at', between, '--to', 'never_made'], env());
    writeFileSync(path, text);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /PostgreSQL 99 server is not installed here/);
    assert.match(refused.stderr, /POSTGRES_VERSION/);
    const made = await postgres.sql('postgres', "select from pg_database where datname = 'never_made'");
    assert.equal(made.length, 0);
  });
});
