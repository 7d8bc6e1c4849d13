import type { Config } from '../config/config.ts';
import { databaseOf } from '../config/database-url.ts';
import { withPassfile } from '../config/sources.ts';
import { asked } from '../engines/asking.ts';
import { engineOf } from '../engines/index.ts';
import { messageOf, OperatorError } from '../errors.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';

/** Another server that a backup is to go to. */
export interface TargetWords {
  readonly url: string;
  /** The name of the database, once more. */
  readonly confirm: string | undefined;
  /** It may be the server of a source. */
  readonly sameServer: boolean;
}

const VARIABLE = 'RESTORE_TARGET_PASSWORD';

/**
 * The database that the URL names, once it is sure that nothing that is backed up is meant by it.
 *
 * @param manifest of the backup that is to go there
 * @throws OperatorError USAGE for a URL that is none, or a name that was not given twice; RESTORE_REFUSED for a source, the server
 *   of a source, and a server that is older than the one that was dumped
 */
export async function targetOf(
  config: Config,
  words: TargetWords,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<DatabaseSource> {
  const target = read(config, words);
  const { host, port, database } = target;
  const databases = config.sources.filter((source): source is DatabaseSource => source.engine !== 'files');
  const twin = databases.find((source) => isPlaceOf(source, target));
  if (twin)
    throw refused(
      `${host}:${port}/${database} is the source ${twin.name}`,
      `Restore it there: restore KEY --source ${twin.name}.`,
    );
  const engine = await engineOf(target.engine);
  const found = await engine.identify?.(target, signal);
  assertNotOlder(target, found?.version, manifest);
  for (const source of databases) {
    if (source.engine !== target.engine) continue;
    const id = await idOf(source, signal);
    if (found?.id === undefined || id === undefined) {
      if (host === source.host && port === source.port && !words.sameServer) throw sameServer(target, source.name);
      continue;
    }
    if (id !== found.id) continue;
    if (source.database === database || source.database === '*')
      throw refused(
        `${database} on ${host}:${port} is the source ${source.name}, under another address`,
        `Restore it there: restore KEY --source ${source.name}.`,
      );
    if (!words.sameServer) throw sameServer(target, source.name);
  }
  if (found?.id !== undefined && found.id === manifest?.systemIdentifier && !words.sameServer)
    throw sameServer(target, manifest.source);
  return target;
}

function read(config: Config, { url: text, confirm }: TargetWords): DatabaseSource {
  const { RESTORE_TARGET_PASSWORD: password, ...values } = config.values;
  let target: DatabaseSource;
  try {
    if (!URL.canParse(text)) throw new Error('wants a URL such as postgres://user@host:5432/database');
    const url = new URL(text);
    if (url.protocol === 'file:') throw new Error('is for databases; of a folder: --to /a/new/folder');
    if (url.password !== '')
      throw new Error(
        `holds a password, which every user of this machine can read; set ${VARIABLE} or ${VARIABLE}_FILE`,
      );
    const of = { name: 'target', variable: '--target', password };
    target = withPassfile(databaseOf(url, of, { ...values, explicitCompression: undefined }, []), config.passfile);
    if (target.database === '*') throw new Error('is one database; name it');
  } catch (error) {
    throw usage(`--target ${messageOf(error)}`);
  }
  if (confirm !== target.database)
    throw usage(
      confirm === undefined
        ? `--target ${target.host}:${target.port} wants the name of its database a second time: --confirm ${target.database}`
        : `--confirm ${confirm} is not the database of --target, which is ${target.database}`,
    );
  return target;
}

const isPlaceOf = (source: DatabaseSource, { engine, host, port, database }: DatabaseSource): boolean =>
  source.engine === engine &&
  source.host === host &&
  source.port === port &&
  (source.database === database || source.database === '*');

/** One that does not answer cannot be compared: it may be lost, and this be the way to have it again. */
async function idOf(source: DatabaseSource, signal: AbortSignal): Promise<string | undefined> {
  try {
    const engine = await engineOf(source.engine);
    return (await asked(signal, source, async (limited) => engine.identify?.(source, limited)))?.id;
  } catch (error) {
    signal.throwIfAborted();
    log.warn(
      `whether the target is the server of ${source.name} can be told by its address alone: ${messageOf(error)}`,
    );
    return undefined;
  }
}

/** The numbers of a version by which a dump goes forward and not back: one of PostgreSQL's, two of MariaDB's. */
function majorOf(engine: DatabaseSource['engine'], version: string): number {
  const [first = 0, second = 0] = (version.match(/\d+/g) ?? []).map(Number);
  return engine === 'postgres' ? first : first * 1_000 + second;
}

function assertNotOlder(
  { engine, host, port }: DatabaseSource,
  version: string | undefined,
  manifest: Manifest | undefined,
) {
  if (version === undefined || manifest === undefined || manifest.engine !== engine) return;
  if (majorOf(engine, version) >= majorOf(engine, manifest.serverVersion)) return;
  throw refused(
    `the server at ${host}:${port} is ${version}, older than the ${manifest.serverVersion} that was dumped: what it does not know would be lost or stop the restore`,
    'Restore into a server of that version or a newer one.',
  );
}

function sameServer({ host, port }: DatabaseSource, source: string): OperatorError {
  return refused(
    `${host}:${port} is the server of the source ${source}`,
    'Is that meant? Then say so: --same-server. Beside the live database without --target: --to DATABASE.',
  );
}

const refused = (message: string, hint: string) =>
  new OperatorError('RESTORE_REFUSED', message, { hint: `${hint} Nothing was touched.` });

const usage = (message: string) =>
  new OperatorError('USAGE', message, {
    hint: 'For example: restore latest --target postgres://me@other.internal/shop_copy --confirm shop_copy.',
  });
