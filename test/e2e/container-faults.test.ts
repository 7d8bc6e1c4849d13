import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { hasEngine } from '../support/container.ts';
import { getObject, listUnfinished } from '../support/s3-by-hand.ts';
import { createStack, type Outcome, type Stack } from '../support/stack.ts';
import { until } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: faults of containers left out';

const DATABASE = 'shop';
const NEVER = '@every 24h';
const SETTINGS = {
  ...{ POSTGRES_DB: DATABASE, POSTGRES_PASSWORD: 'secret', BACKUP_COMPRESSION: 'none' },
  ...{ BACKUP_SCHEDULE: NEVER, CLEANUP_SCHEDULE: NEVER, DRILL_SCHEDULE: NEVER },
};
/** Where a server finds this file, one table is not loaded before it has gone; what comes later is much. */
const HOLD = '/tmp/hold';
const CONTENT = `
  create function rests() returns boolean language plpgsql as $$ begin
    while (select size is not null from pg_stat_file('${HOLD}', true)) loop perform pg_sleep(0.05); end loop;
    return true;
  end $$;
  create table a_slow (n int check (public.rests()));
  insert into a_slow values (1);
  create table bulk as select n, repeat(md5(n::text), 32) as text from generate_series(1, 30000) n;
  create table kept as select 'kept' as a;
  select lo_from_bytea(0, 'read after all tables')`;

type Verb = 'backup' | 'restore' | 'drill';
const WORDS: Readonly<Record<Verb, readonly string[]>> = {
  backup: ['backup', '--json'],
  restore: ['restore', '--json', '--', 'latest'],
  drill: ['drill', '--json'],
};

interface Listed {
  readonly key: string;
  readonly kind: string;
  readonly manifest: boolean;
}

let stack: Stack;
let failed = false;

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

const list = async (): Promise<Listed[]> => succeeded(await stack.verb(['list', '--json'])).json;
/** Of a plain dump, without what differs from run to run. */
function digestOf(sql: Buffer): string {
  const text = sql.toString('latin1').replaceAll(/^\\(un)?restrict .*\n/gm, '');
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
/** The digest of all that pg_dump finds in the live database. */
const live = async () => {
  const script = `set -o pipefail; pg_dump ${DATABASE} | sed -E '/^\\\\(un)?restrict /d' | sha256sum`;
  const { stdout } = succeeded(
    await stack.compose(['exec', '--no-TTY', '--user=postgres', 'postgres', 'bash', '-c', script]),
  );
  return stdout.split(' ')[0] ?? '';
};
const inBackup = (...command: string[]) => stack.compose(['exec', '--no-TTY', 'backup', ...command]);
const inPostgres = (...command: string[]) => stack.compose(['exec', '--no-TTY', 'postgres', ...command]);
const asked = (sql: string) => stack.psql('postgres', 'postgres', sql);
const drillFolder = async () => succeeded(await inBackup('ls', '-A', '/var/lib/postgresql')).stdout;

const SLEEPERS = `pg_stat_activity where wait_event = 'PgSleep'`;

/** How each verb is made to wait half way, and seen to, and let go again. */
const HALF_WAY: Readonly<
  Record<Verb, { hold(): Promise<unknown>; isReached(): Promise<boolean>; release(): Promise<unknown> }>
> = {
  backup: {
    hold: async () => {
      const lock = 'begin; lock table pg_catalog.pg_largeobject in access exclusive mode; select pg_sleep(600)';
      stack.psql('postgres', DATABASE, lock).catch(() => {});
      await until('it is locked', async () => (await asked(`select 1 from ${SLEEPERS}`)) || undefined);
    },
    isReached: async () => (await listUnfinished(await stack.access())).length > 0,
    release: () => asked(`select pg_terminate_backend(pid) from ${SLEEPERS}`),
  },
  restore: {
    hold: () => inPostgres('touch', HOLD),
    isReached: async () =>
      (await asked(`select 1 from pg_stat_activity where datname ~ '_restoring_' and query ~ '^COPY.*a_slow'`)) !== '',
    release: () => inPostgres('rm', '-f', HOLD),
  },
  drill: {
    hold: () => inBackup('touch', HOLD),
    isReached: async () =>
      (await inBackup('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -q "^[p]ostgres: .*COPY"')).code ===
      0,
    release: () => inBackup('rm', '-f', HOLD),
  },
};
/** So much may the container have while its memory runs out. */
const LITTLE = 400 * 1024 * 1024;
const PLENTY = 4 * 1024 * 1024 * 1024;
const limitedTo = async (bytes: number) => {
  const { stdout } = await stack.compose(['ps', '--quiet', 'backup']);
  succeeded(await stack.docker(['update', `--memory=${bytes}`, `--memory-swap=${bytes}`, stdout.trim()]));
};

interface Case {
  readonly what: string;
  readonly verb: Verb;
  /** What is done to it half way. Afterwards everything is started again. */
  readonly fault: () => Promise<unknown>;
  /** What it ends with; any code will do for what may come through or not, as long as it is true. */
  readonly code?: number;
  readonly says?: RegExp;
  readonly nextSays?: RegExp;
}

const does =
  (...args: string[]) =>
  async () =>
    succeeded(await stack.compose(args));
const killedAndStarted = (service: string) => async () => {
  await does('kill', service)();
  await does('start', service)();
};
/** Takes memory until Linux has ended a process of the container for it, by the count that its control group keeps. */
const HOG = `
  sub ended {
    for my $file ('/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control') {
      open(my $handle, '<', $file) or next;
      local $/;
      return $1 if <$handle> =~ /^oom_kill (\\d+)/m;
    }
    die 'nobody counts';
  }
  my ($before, @taken) = ended();
  while (ended() == $before) {
    push @taken, 'x' x 100_000;
    die 'the limit does not count' if @taken > 10_000;
  }`;
/** @param first which of the container's processes Linux takes first, as a pattern of its command line */
const memoryRunsOut = (first?: string) => async () => {
  const chosen = `for p in /proc/[0-9]*; do if tr '\\0' ' ' <$p/cmdline 2>&1 | grep -q '${first}'; then echo 1000 >$p/oom_score_adj; fi; done`;
  await limitedTo(LITTLE);
  const hog = await inBackup('sh', '-c', `${first === undefined ? '' : `${chosen}; `}exec perl -e "$0"`, HOG);
  // it may be the next that Linux ends, before it has seen that another one was
  assert.ok([0, 137].includes(hog.code ?? -1), `${hog.code}: ${hog.stderr}`);
};
const MEMORY = {
  what: 'memory runs out',
  fault: memoryRunsOut(),
  code: 1,
  says: /ran out of memory \(its limit is 400\.0 MiB\).*mem_limit/,
};
const VERB_ENDED = {
  what: 'memory runs out and the verb itself is ended',
  fault: memoryRunsOut('^node .*/dist/'),
  code: 137,
};
const KILLED = { what: 'its container is killed', fault: does('kill', 'backup'), code: 137 };
const STOPPED = { what: 'its container is stopped', fault: does('stop', 'backup'), says: /SIGTERM/ };
const BACKUP_TIDIED = /removed what a killed run left unfinished/;
const RESTORE_TIDIED = /removing shop_restoring_\d+, left behind by a restore that was killed/;
const CASES: readonly Case[] = [
  { verb: 'backup', ...KILLED, nextSays: BACKUP_TIDIED },
  { verb: 'restore', ...KILLED, nextSays: RESTORE_TIDIED },
  { verb: 'drill', ...KILLED, nextSays: /removing drill-postgres-\w+, left behind by a drill that was killed/ },
  { verb: 'restore', ...STOPPED },
  { verb: 'backup', ...MEMORY },
  { verb: 'restore', ...MEMORY },
  { verb: 'drill', ...MEMORY },
  { verb: 'restore', ...VERB_ENDED, nextSays: RESTORE_TIDIED },
  {
    verb: 'backup',
    what: 'the database is killed',
    fault: killedAndStarted('postgres'),
    code: 1,
    says: /pg_dump|server closed|[Cc]onnection/,
  },
  {
    verb: 'restore',
    what: 'the database is restarted',
    fault: does('restart', 'postgres'),
    code: 1,
    says: /The live database is as it was|[Cc]onnection/,
  },
  { verb: 'backup', what: 'the storage is killed, and is back soon', fault: killedAndStarted('garage') },
  { verb: 'drill', what: 'the storage is restarted', fault: does('restart', 'garage') },
];

describe('when half way', { skip, concurrency: false }, () => {
  let golden: string;
  let emptyDrillFolder: string;

  before(async () => {
    stack = createStack(SETTINGS);
    succeeded(await stack.up({}));
    await stack.psql('postgres', DATABASE, CONTENT);
    golden = await live();
    succeeded(await stack.verb(WORDS.backup));
    emptyDrillFolder = await drillFolder();
  });
  after(async () => {
    if (!stack) return;
    if (failed) process.stderr.write(await stack.logs());
    assert.deepEqual(await stack.tearDown(), []);
  });

  /** Whatever is listed has a manifest and, unless it is a safety backup, holds what was there, byte for byte. */
  async function isWhole({ key, manifest, kind }: Listed): Promise<void> {
    assert.ok(manifest, key);
    if (kind === 'backup')
      assert.equal(digestOf(await getObject(await stack.access(), key)), golden, `${key} is not what was dumped`);
  }

  async function nothingLeft(verb: Verb): Promise<void> {
    assert.deepEqual(await listUnfinished(await stack.access()), []);
    const left = `select datname from pg_database where datname ~ '_restoring_'
      union all select 'a lock' from pg_locks where locktype = 'advisory'`;
    // a server ends a session a moment after its client has gone
    await until('no database and no lock is left', async () => (await asked(left)) === '' || undefined);
    if (verb === 'drill') assert.equal(await drillFolder(), emptyDrillFolder);
  }

  async function survives({ verb, fault, code, says, nextSays }: Case): Promise<void> {
    // what a case before this one has left is not this one's
    const known = await list();
    if (verb === 'restore') await stack.psql('postgres', DATABASE, `update kept set a = '${Date.now()}'`);
    const earlier = await live();
    const { hold, isReached, release } = HALF_WAY[verb];
    await hold();
    const running = stack.verb(WORDS[verb]);
    await until(`${verb} is half way`, async () => (await isReached()) || undefined);
    await fault();
    // what it was held by may have gone with it
    await release().catch(() => {});
    const outcome = await running;
    const told = `exit code ${outcome.code}: ${outcome.stderr}`;
    succeeded(await stack.compose(['start', 'postgres', 'garage', 'backup']));
    await limitedTo(PLENTY);
    if (code !== undefined) assert.equal(outcome.code, code, told);
    if (says) assert.match(outcome.stderr, says);

    const isDone = outcome.code === 0;
    const now = await until('the database answers', () => live().catch(() => undefined));
    assert.equal(now, verb === 'restore' && isDone ? golden : earlier, told);
    const listed = await until('the storage answers', () => list().catch(() => undefined));
    const added = listed.filter(({ key }) => !known.some((each) => each.key === key));
    const isBackup = ({ kind }: Listed) => kind === 'backup';
    assert.equal(added.filter(isBackup).length, verb === 'backup' && isDone ? 1 : 0, told);
    for (const one of added) await isWhole(one);

    const next = succeeded(await stack.verb(WORDS[verb]));
    if (nextSays) assert.match(next.stderr, nextSays);
    if (verb === 'restore') assert.equal(await live(), golden);
    await nothingLeft(verb);
    for (const one of (await list()).filter(({ key }) => !listed.some((each) => each.key === key))) await isWhole(one);
  }

  for (const one of CASES) {
    test(`of a ${one.verb} ${one.what}`, async () => {
      try {
        await survives(one);
      } catch (error) {
        failed = true;
        throw error;
      }
    });
  }
});
