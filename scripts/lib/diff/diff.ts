import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { engineOf } from '../engines/index.ts';
import { OperatorError } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import { describeLeftOut } from '../repository/left-out.ts';
import type { Repository } from '../repository/repository.ts';
import { selectTarget } from '../restore/request.ts';
import { sourceNamed } from '../source.ts';
import { type Change, changesBetween, type Known } from './changes.ts';

/** What is to be compared. */
export interface DiffRequest {
  /** A key, or `latest`. */
  readonly first: string;
  /** Undefined: the live database, or the source's backup before the first one. */
  readonly second?: string;
  readonly live: boolean;
  readonly source?: string;
}

/** One of the two sides. */
export interface DiffSide {
  /** null for the live database. */
  readonly key: string | null;
  readonly source: string;
  readonly database: string;
  readonly at: string;
}

export interface DiffResult {
  readonly from: DiffSide;
  readonly to: DiffSide;
  readonly changes: readonly Change[];
  /** How many tables, views and functions are the same on both sides. */
  readonly unchanged: number;
  /** What could not be compared, and why, as sentences. */
  readonly notCompared: readonly string[];
}

/**
 * What changed between two backups, from their manifests alone: no row and no dump is read. The older side comes first, whatever
 * the order of the keys.
 *
 * @throws OperatorError NO_SUCH_BACKUP; USAGE for backups that cannot be compared
 */
export async function diff(
  config: Config,
  repository: Repository,
  request: DiffRequest,
  signal: AbortSignal,
): Promise<DiffResult> {
  const backups = await repository.backups(signal);
  const isLatest = request.first === 'latest' || request.second === 'latest';
  const latestOf = isLatest ? { source: selectTarget(config, request.source, undefined).name } : {};
  const first = repository.select(backups, { wanted: request.first, ...latestOf });
  const one = await storedSide(repository, first, signal);
  if (request.live) return between(one, await liveSide(config, first, one.side.database, signal));
  const second =
    request.second === undefined
      ? backupBefore(first, backups)
      : repository.select(backups, { wanted: request.second, ...latestOf });
  const [older, newer] = first.createdAt <= second.createdAt ? [first, second] : [second, first];
  if (older.key === newer.key) throw usage(`${older.key} is one backup, and there is nothing to compare it with`);
  const sides =
    older === first
      ? [one, await storedSide(repository, newer, signal)]
      : [await storedSide(repository, older, signal), one];
  const [from, to] = sides as [Side, Side];
  if (from.engine !== to.engine)
    throw usage(`${older.key} is of ${from.engine}, and ${newer.key} of ${to.engine}: they have nothing in common`);
  return between(from, to);
}

interface Side {
  readonly side: DiffSide;
  readonly engine: string;
  readonly known: Known;
}

async function storedSide(repository: Repository, backup: Backup, signal: AbortSignal): Promise<Side> {
  const manifest = await repository.manifestOf(backup, signal);
  if (!manifest) throw usage(`${backup.key} has no manifest, so what is in it is not known without loading it`);
  const { source, database, createdAt, engine } = manifest;
  return { side: { key: backup.key, source, database, at: createdAt }, engine, known: manifest };
}

async function liveSide(
  config: Config,
  { source: name }: Backup,
  database: string,
  signal: AbortSignal,
): Promise<Side> {
  const source = sourceNamed(config.sources, name);
  if (!source) throw usage(`no source ${JSON.stringify(name)} is configured, so there is no live one to compare with`);
  const engine = await engineOf(source.engine);
  const { survey } = engine;
  if (!survey) throw usage(`${name} is a source of ${source.engine}: its live side is compared by no verb`);
  const at = new Date().toISOString();
  const known = await withTimeout(signal, config.limits.backup, `counting ${name}`, (limited) =>
    survey(source, limited),
  );
  return { side: { key: null, source: name, database, at }, engine: source.engine, known };
}

function backupBefore(backup: Backup, backups: readonly Backup[]): Backup {
  const before = backups.find(
    ({ source, kind, createdAt, key }) =>
      source === backup.source && kind === 'backup' && createdAt <= backup.createdAt && key !== backup.key,
  );
  if (before) return before;
  throw new OperatorError('NO_SUCH_BACKUP', `there is no backup of ${backup.source} before ${backup.key}`, {
    hint: 'Give a second key, or compare it with the live database: --live.',
  });
}

function between(from: Side, to: Side): DiffResult {
  const changes = changesBetween(from.known, to.known);
  const lacking = [from, to].filter(({ known }) => known.files === undefined && known.outline === undefined);
  const names = new Set([from, to].flatMap(({ known }) => namesOf(known)));
  return {
    from: from.side,
    to: to.side,
    changes,
    unchanged: [...names].length - changes.filter(({ kind }) => kind !== 'folder').length,
    notCompared: [
      ...lacking.map(
        ({ side }) =>
          `definitions and sizes: ${side.key ?? 'the live database'} has none to compare with${side.key === null ? '' : ', for it was made by an older version, or they could not be read then'}`,
      ),
      ...leftOutOfOne(from, to),
    ],
  };
}

/** A sentence for each side that leaves out what the other one has. */
function leftOutOfOne(...sides: readonly [Side, Side]): string[] {
  const said = sides.map(({ known }) => describeLeftOut(known));
  if (said[0] === said[1]) return [];
  return sides.flatMap(({ side }, i) =>
    said[i] === undefined ? [] : [`${said[i]}: left out of ${side.key} on purpose`],
  );
}

function namesOf({ tables, outline }: Known): string[] {
  return [...new Set([...Object.keys(outline ?? {}), ...tables.map(({ table }) => `table ${table}`)])];
}

function usage(message: string): OperatorError {
  return new OperatorError('USAGE', message, { hint: 'See --help. Nothing was touched.' });
}
