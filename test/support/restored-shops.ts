import { backUp } from './backups.ts';
import { handMadeDump, place, temporaryFolder } from './folders.ts';
import type { Postgres } from './postgres.ts';

/** A database with a backup of it, which has lost its customers since. */
export async function damagedShop(postgres: Postgres) {
  const database = postgres.freshName();
  await postgres.create(database);
  const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
  const { key } = await backUp(env);
  const contents = await postgres.contents(database);
  await postgres.sql(database, 'truncate customers cascade; refresh materialized view revenue');
  return { database, env, contents, key };
}

/** A database and a storage with hand-made dumps in it, each of which makes the table `made` with its key's number. */
export async function handMadeShop(postgres: Postgres, times: readonly string[]) {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql(database, "create table live as select 'live' as state");
  const folder = temporaryFolder();
  const keys = times.map((time, n) => {
    const key = `${time.slice(0, 10).replaceAll('-', '/')}/${database}_${time.slice(11).replaceAll(':', '')}.sql`;
    place(folder, key, handMadeDump(`create table made as select ${n} as n;`));
    return key;
  });
  return { database, folder, keys, env: { ...postgres.env(database), BACKUP_DIR: folder } };
}
