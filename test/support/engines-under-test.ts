import type { EngineName } from '../../scripts/lib/config-sources.ts';
import { quoteIdentifier as quotedInMariaDb } from '../../scripts/lib/engines/mariadb/connection.ts';
import { temporaryFolder } from './folders.ts';
import { startMariaDb } from './mariadb.ts';
import { PASSWORD_ROLE, startPostgres, WAITING_DUMPS } from './postgres.ts';
import { until } from './verbs.ts';

/** A source with something in it, and a folder for its backups. */
export interface Scene {
  /** The live database. */
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

export type Wrong = 'a wrong password' | 'an unknown host' | 'a port where nothing listens' | 'an unknown database';

/** How a dump is stored, and whether a changed byte shows without a manifest. */
export interface Kind {
  readonly env: Readonly<Record<string, string>>;
  readonly hasChecksum: boolean;
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
  /** What to set so that the source of a scene cannot be reached. */
  wrong(scene: Scene): Record<Wrong, Record<string, string>>;
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
 * Every engine with a server, by one row: whoever adds an engine adds it here, and all its failures are tested. Folders
 * have no passwords, connections or sessions that could fail: test/e2e/files.test.ts has what fails there instead.
 */
export const ENGINES = {
  postgres: postgresUnderTest,
  mariadb: mariadbUnderTest,
} as const satisfies Record<Exclude<EngineName, 'files'>, () => Promise<EngineUnderTest>>;
