import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { quoteIdentifier as quotedInMariaDb } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import type { EngineName } from '../../scripts/lib/formats.ts';
import { temporaryFolder } from './folders.ts';
import { startMariaDb } from './mariadb.ts';
import { PASSWORD_ROLE, startPostgres, WAITING_DUMPS } from './postgres.ts';
import { lookInto } from './trees.ts';
import { until } from './verbs.ts';

/** A source with something in it, and a folder for its backups. */
export interface Scene {
  /** The live database; of a folder, its path. */
  readonly name: string;
  readonly folder: string;
  readonly env: Record<string, string>;
  /** All that is in the live database, and the names of those beside it. */
  state(): Promise<unknown>;
  /** Changes what a restore would bring back. */
  change(): Promise<void>;
  /** From here on a dump stops half way, until it is let go. */
  holdDump(): Promise<Held>;
}

export interface Held {
  /** Resolves when a dump has come to the point and waits. */
  reached(): Promise<unknown>;
  /** The server ends the session of the dump that waits. */
  endSession(): Promise<unknown>;
  release(): Promise<unknown>;
}

/** What a test does that not every kind of source has. */
export type Special = Wrong | 'a session that ends' | 'a server that is stopped' | 'a name with a slash';

export type Wrong = 'a wrong password' | 'an unknown host' | 'a port where nothing listens' | 'an unknown database';

/** How a dump is stored, and what of it shows without a manifest. */
export interface Kind {
  readonly env: Readonly<Record<string, string>>;
  /** A changed byte does. */
  readonly hasChecksum: boolean;
  /** Its last bytes hold nothing, and all is there without them. */
  readonly endsInPadding?: true;
}

/** What the tests of failures have to know of an engine. */
export interface EngineUnderTest {
  /** Why it cannot be tested here. */
  readonly missing: string | false;
  readonly dumpProgram: string;
  readonly kinds: readonly Kind[];
  /** Names that this engine's server takes and others do not. */
  readonly names: readonly string[];
  /** @param options.name an odd name; its content is then little */
  scene(options?: { name?: string; password?: string }): Promise<Scene>;
  /** What this kind of source does not have, and why: the tests that are about it are left out by that reason. */
  readonly without: Readonly<Partial<Record<Special, string>>>;
  /** What to set so that the source of a scene cannot be reached. */
  wrong(scene: Scene): Partial<Record<Wrong, Record<string, string>>>;
  /** A scene on a server of its own. */
  lonely(): Promise<{ scene: Scene; stop(): Promise<void> }>;
}

const GZIP: Kind = { env: { BACKUP_COMPRESSION: 'gzip' }, hasChecksum: true };
const ZSTD: Kind = { env: { BACKUP_COMPRESSION: 'zstd' }, hasChecksum: true };
const PLAIN: Kind = { env: { BACKUP_COMPRESSION: 'none' }, hasChecksum: false };

async function postgresUnderTest(): Promise<EngineUnderTest> {
  const server = await startPostgres();
  const sceneOn = async (
    { postgres }: typeof server,
    { name, password }: { name?: string; password?: string } = {},
  ): Promise<Scene> => {
    const database = name ?? postgres.freshName();
    await postgres.create(database, name === undefined ? 'example' : 'empty');
    await postgres.sql(database, "create table kept as select 'kept' as a");
    const folder = temporaryFolder();
    const env: Record<string, string> = { ...postgres.env(database), BACKUP_DIR: folder };
    if (password !== undefined) {
      const user = `${database}user`;
      await postgres.sql(
        database,
        `create role ${user} superuser login in role ${PASSWORD_ROLE} password '${password}'`,
      );
      Object.assign(env, { POSTGRES_USER: user, POSTGRES_PASSWORD: password });
    }
    return {
      name: database,
      folder,
      env,
      state: async () => [await postgres.fingerprint(database), await postgres.beside(database)],
      change: async () => {
        await postgres.sql(database, "update kept set a = 'lost'");
      },
      holdDump: async () => ({
        ...(await postgres.holdDump(database)),
        endSession: () => postgres.sql(database, `select pg_terminate_backend(pid) from (${WAITING_DUMPS}) waiting`),
      }),
    };
  };
  return {
    missing: server.missing,
    dumpProgram: 'pg_dump',
    // an archive's blocks have checksums, its table of contents has none
    kinds: [GZIP, ZSTD, PLAIN, { env: { BACKUP_FORMAT: 'custom' }, hasChecksum: false }],
    // in a URL, .. is a step up, however it is written
    names: ['..', 'two words ', 'emoji 😀', `${'é'.repeat(31)}x`],
    without: {},
    scene: (options) => sceneOn(server, options),
    wrong: () => ({
      'a wrong password': { POSTGRES_PASSWORD: 'wrong-canary' },
      'an unknown host': { POSTGRES_HOST: 'nowhere.invalid' },
      'a port where nothing listens': { POSTGRES_PORT: '1' },
      'an unknown database': { POSTGRES_DB: 'gone' },
    }),
    lonely: async () => {
      const own = await startPostgres();
      return { scene: await sceneOn(own), stop: () => own.postgres.stop() };
    },
  };
}

async function mariadbUnderTest(): Promise<EngineUnderTest> {
  const server = await startMariaDb();
  const sceneOn = async (
    { mariadb }: typeof server,
    { name, password }: { name?: string; password?: string } = {},
  ): Promise<Scene> => {
    const database = name ?? mariadb.freshName();
    await mariadb.create(database, name === undefined ? 'example' : 'empty');
    // the last one to be dumped, with something that the swap has to carry
    await mariadb.sql(
      `create table zz_kept (id int primary key, a varchar(10), up int, foreign key (up) references zz_kept (id));
       create trigger zz_kept_up before insert on zz_kept for each row set new.up = new.id;
       create view zz_view as select * from zz_kept; insert into zz_kept values (1, 'kept', 1)`,
      undefined,
      database,
    );
    const folder = temporaryFolder();
    const env: Record<string, string> = { ...mariadb.env(database), BACKUP_DIR: folder };
    if (password !== undefined) {
      const user = `u${database}`;
      await mariadb.sql(`create user ${user}@'%' identified by '${password}'; grant all on *.* to ${user}@'%'`);
      env.BACKUP_SOURCE_SHOP = `mariadb://${user}@${mariadb.host}:${mariadb.port}/${database}`;
      env.BACKUP_SOURCE_SHOP_PASSWORD = password;
    }
    const waiting = () =>
      mariadb.sql(
        "select id from information_schema.processlist where db = ? and state = 'Waiting for table metadata lock'",
        [database],
      );
    return {
      name: database,
      folder,
      env,
      state: async () => [
        await mariadb.dump(database),
        (await mariadb.databases()).filter((each) => each.startsWith(database)),
      ],
      change: async () => {
        await mariadb.sql("update zz_kept set a = 'lost'", undefined, database);
      },
      holdDump: async () => {
        const holder = await mariadb.connect();
        holder.on('error', () => {});
        await holder.query(`lock tables ${quotedInMariaDb(database)}.zz_kept write`);
        return {
          reached: () => until(`a dump of ${database} waits`, async () => (await waiting())[0]),
          endSession: async () => {
            for (const { id } of await waiting()) await mariadb.sql(`kill connection ${id}`);
          },
          release: () => holder.end().catch(() => {}),
        };
      },
    };
  };
  return {
    missing: server.missing,
    dumpProgram: 'mariadb-dump',
    kinds: [GZIP, ZSTD, PLAIN],
    names: ['x'.repeat(63)],
    without: {},
    scene: (options) => sceneOn(server, options),
    wrong: ({ env }) => {
      const url = (change: (url: URL) => void) => {
        const changed = new URL(env.BACKUP_SOURCE_SHOP ?? '');
        change(changed);
        return { BACKUP_SOURCE_SHOP: changed.href };
      };
      return {
        'a wrong password': { BACKUP_SOURCE_SHOP_PASSWORD: 'wrong-canary' },
        'an unknown host': url((it) => {
          it.hostname = 'nowhere.invalid';
        }),
        'a port where nothing listens': url((it) => {
          it.port = '1';
        }),
        'an unknown database': url((it) => {
          it.pathname = '/gone';
        }),
      };
    },
    lonely: async () => {
      const own = await startMariaDb();
      return { scene: await sceneOn(own), stop: () => own.mariadb.stop() };
    },
  };
}

/**
 * A zstd that waits, before it reads anything, for as long as it is told to: what is larger than the pipes before it stays
 * half read. It waits for a reader's end of a pipe, without a process of its own that could be left over.
 */
function holdableZstd() {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  const real = execFileSync('bash', ['-c', 'type -P zstd'], { encoding: 'utf8' }).trim();
  const script = `#!/bin/sh\nif [ -e '${at('hold')}' ]; then touch '${at('begun')}'; read -r go <'${at('go')}'; fi\nexec ${real} "$@"\n`;
  writeFileSync(at('zstd'), script, { mode: 0o755 });
  execFileSync('mkfifo', [at('go')]);
  return {
    path: `${folder}:${process.env.PATH}`,
    hold: () => writeFileSync(at('hold'), ''),
    hasBegun: () => existsSync(at('begun')) || undefined,
    release: () => {
      rmSync(at('hold'), { force: true });
      try {
        closeSync(openSync(at('go'), constants.O_WRONLY | constants.O_NONBLOCK));
      } catch {
        // nobody waits
      }
    },
  };
}

async function filesUnderTest(): Promise<EngineUnderTest> {
  const scene = async ({ name }: { name?: string } = {}): Promise<Scene> => {
    const parent = temporaryFolder();
    chmodSync(parent, 0o755);
    const live = join(parent, name ?? 'uploads');
    mkdirSync(live);
    mkdirSync(join(live, 'sub'), { mode: 0o750 });
    symlinkSync('../kept', join(live, 'sub/link'));
    // more than all pipes between tar and a compressor that waits
    writeFileSync(join(live, 'bulk'), randomBytes(name === undefined ? 8_000_000 : 3));
    writeFileSync(join(live, 'kept'), 'kept');
    const folder = temporaryFolder();
    const zstd = holdableZstd();
    return {
      name: live,
      folder,
      env: {
        BACKUP_SOURCE_SHOP: `file://${parent}/${encodeURIComponent(name ?? 'uploads')}`,
        BACKUP_DIR: folder,
        PATH: zstd.path,
      },
      state: async () => [lookInto(live), readdirSync(parent).sort()],
      change: async () => writeFileSync(join(live, 'kept'), 'lost'),
      holdDump: async () => {
        zstd.hold();
        return {
          reached: () => until(`a dump of ${live} waits`, zstd.hasBegun),
          endSession: async () => {},
          release: async () => zstd.release(),
        };
      },
    };
  };
  return {
    missing: false,
    dumpProgram: 'tar',
    // an archive of GNU tar's ends in kilobytes of zeros
    kinds: [GZIP, ZSTD, { ...PLAIN, endsInPadding: true }],
    names: ['..dots', 'two words ', 'emoji 😀', 'two\nlines', 'x'.repeat(255)],
    without: {
      'a wrong password': 'a folder has no password',
      'an unknown host': 'a folder has no host',
      'a port where nothing listens': 'a folder has no port',
      'a session that ends': 'a folder is read without a session',
      'a server that is stopped': 'a folder has no server',
      'a name with a slash': 'a slash in the path of a folder parts two names',
    },
    scene,
    wrong: ({ name }) => ({ 'an unknown database': { BACKUP_SOURCE_SHOP: `file://${name}-gone` } }),
    lonely: async () => ({ scene: await scene(), stop: async () => {} }),
  };
}

/** Every engine, by one row: a new engine is added here, and all its failures are tested. */
export const ENGINES = {
  files: filesUnderTest,
  mariadb: mariadbUnderTest,
  postgres: postgresUnderTest,
} as const satisfies Record<EngineName, () => Promise<EngineUnderTest>>;
