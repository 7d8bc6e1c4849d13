import type { BackupResult } from '../scripts/lib/backup/backup.ts';
import type { ServerResult } from '../scripts/lib/base/all.ts';
import type { copyRow as copyDecided, row as decided } from '../scripts/lib/cleanup/text.ts';
import type { CopyResult } from '../scripts/lib/copy/copy.ts';
import type { DrillResult } from '../scripts/lib/drill/drill.ts';
import type { UndoResult } from '../scripts/lib/engines/engine.ts';
import type { row as listed } from '../scripts/lib/list/text.ts';
import type { MarkResult } from '../scripts/lib/moment/mark.ts';
import type { Delivery } from '../scripts/lib/notify/notify.ts';
import type { RestoreResult } from '../scripts/lib/restore/restore.ts';
import type { Status } from '../scripts/lib/status/status.ts';
import type { RemoveFailure } from '../scripts/lib/storages/storage.ts';
import type { VerifyResult } from '../scripts/lib/verify/verify.ts';

/**
 * Every field of the documents that `--json` prints, and what it holds. A field that a type has and this table has not,
 * or the other way round, is an error of the types; one that a run prints and this table has not fails that run's test.
 * After a change: make reference.
 */
export const JSON_FIELDS = {
  'config --json': {
    'variables[].name': 'The variable.',
    'variables[].value': 'Its value as text; null when it has none, `[secret]` when it is a secret.',
    'variables[].secret': 'Whether it is a secret.',
    'variables[].origin': '`default`, `.env`, `environment`, `file` (`<VARIABLE>_FILE`) or `alias` (another name).',
    'variables[].where': 'Where exactly: the line of .env, the file, or the other name.',
    'sources[].name': 'The source.',
    'sources[].engine': '`postgres`, `mariadb` or `files`.',
    'sources[].host': 'The server; empty for files.',
    'sources[].port': 'Its port; 0 for files.',
    'sources[].database': 'The database, or the path.',
    'sources[].user': 'The user; empty for files.',
    'sources[].hasPassword': 'Whether a password is set.',
    'sources[].format': '`sql`, `custom`, `folder` or `tar`.',
    'sources[].compression': '`gzip`, `zstd` or `none`, with its level.',
    'sources[].variable': 'The variable that defines it.',
    'storage.kind': '`s3` or `directory`.',
    'storage.path': 'The directory.',
    'storage.endpoint': 'The address of the store; null for Amazon.',
    'storage.region': 'Its region.',
    'storage.bucket': 'The bucket.',
    'copies[].name': 'A copy, from COPY_<NAME>.',
    'copies[].variable': 'The variable that defines it.',
    'copies[].storage.kind': '`s3` or `directory`.',
    'copies[].storage.path': 'The directory.',
    'copies[].storage.endpoint': 'The address of the store; null for Amazon.',
    'copies[].storage.region': 'Its region.',
    'copies[].storage.bucket': 'The bucket.',
    'copies[].prefix': 'What its keys begin with; empty when they begin with the year.',
    'copies[].retention.keepLast': 'How many it keeps by each rule: of the last ones,',
    'copies[].retention.keepHourly': 'of each hour,',
    'copies[].retention.keepDaily': 'day,',
    'copies[].retention.keepWeekly': 'week,',
    'copies[].retention.keepMonthly': 'month,',
    'copies[].retention.keepYearly': 'and year; -1 is all.',
    'copies[].retention.minBackups': 'How many it keeps of a source whatever the rules say.',
    'copies[].retention.protectDays': 'For how many days it keeps a safety backup.',
    'copies[].wal': 'Whether the log of servers is copied too.',
    'copies[].lock': 'The lock that was asked for; null without one.',
    'copies[].maxRate': 'Bytes a second that copying to it may take; null for as much as there is.',
    'copies[].rpoTargetMs': 'How old its newest backup may become, where it says so itself; otherwise null.',
    encrypted: 'Whether backups are encrypted.',
    'warnings[]': 'What has no effect, or is read under another name.',
  },
  'list --json': {
    '[].key': 'The object, or the folder of objects: what `restore` and `drill` take.',
    '[].source': 'The source that it is a backup of.',
    '[].database': 'The database, or the path.',
    '[].engine': '`postgres`, `mariadb` or `files`.',
    '[].kind': '`backup`, or `pre-restore`: a safety backup.',
    '[].createdAt': 'The moment whose state it holds, UTC, ISO 8601.',
    '[].sizeBytes': 'Bytes stored.',
    '[].manifest': 'Whether it has a manifest.',
    '[].format': '`sql`, `custom`, `folder` or `tar`.',
    '[].compression': '`gzip`, `zstd` or `none`.',
    '[].encrypted': 'Whether it is encrypted.',
    '[].held': 'Whether retention leaves it alone (`hold`).',
    '[].stores[]': 'The stores that have it: `primary`, and copies by their names.',
  } satisfies Fields<ReturnType<typeof listed>[]>,
  'backup --json': {
    'results[].source': 'The source.',
    'results[].ok': 'Whether it was backed up.',
    'results[].key': 'The key of the backup; null when it failed.',
    'results[].sizeBytes': 'Bytes stored; null when it failed.',
    'results[].rawBytes': 'Bytes before compression; null when it failed.',
    'results[].durationMs': 'How long it took.',
    'results[].warnings[]': 'How it differs from earlier backups; the backup counts. Absent when there is nothing.',
    'results[].changed.total': 'Files only: how many changed while they were read. Absent when there were none.',
    'results[].changed.names[]': 'The first of them.',
    'results[].error': 'Why it failed, and what to do next. Absent when it did not.',
  } satisfies Fields<{ results: readonly Omit<BackupResult, 'cause'>[] }>,
  'base --json': {
    'results[].server': 'The server.',
    'results[].ok': 'Whether its base was taken.',
    'results[].key': 'The base. This and what follows is absent when it was not taken.',
    'results[].chain': 'The chain whose log goes on from it; null for a base that restores its own end alone.',
    'results[].startLsn': 'Where in the log it begins.',
    'results[].endLsn': 'Where it ends.',
    'results[].startedAt': "When it began, by the server's clock.",
    'results[].endedAt': 'When it ended: moments from then on can be restored from it.',
    'results[].sizeBytes': 'Bytes stored.',
    'results[].rawBytes': 'Bytes before compression.',
    'results[].durationMs': 'How long it took.',
    'results[].error': 'Why it failed, and what to do next. Absent when it did not.',
  } satisfies Fields<{ results: readonly Omit<ServerResult, 'isLocked'>[] }>,
  'mark --json': {
    name: 'The name.',
    server: 'The server in whose log it stands.',
    lsn: 'Where in the log.',
    at: "When, by the server's clock.",
  } satisfies Fields<MarkResult>,
  'cleanup --json': {
    dryRun: 'Whether nothing was deleted.',
    'keep[].key': 'A backup that is kept.',
    'keep[].source': 'Its source.',
    'keep[].createdAt': 'Its moment.',
    'keep[].reasons[]': 'The rules that keep it.',
    'remove[].key': 'A backup that was deleted, or would be in a dry run.',
    'remove[].source': 'Its source.',
    'remove[].createdAt': 'Its moment.',
    'remove[].reasons[]': 'Why it was deleted.',
    'failed[].key': 'An object that could not be deleted.',
    'failed[].reason': 'Why not.',
    'failed[].isLocked': 'true when the store locks it for a time (object lock): nothing is wrong. Otherwise absent.',
    'databases[].name':
      'A database that an earlier restore or undo replaced, and that was dropped, or would be in a dry run.',
    'databases[].since': 'Since when it had been kept.',
    'copies[].name': 'A copy, cleaned up by its own retention.',
    'copies[].keep[].key': 'A backup of it that is kept.',
    'copies[].keep[].source': 'Its source.',
    'copies[].keep[].createdAt': 'Its moment.',
    'copies[].keep[].reasons[]': 'Why.',
    'copies[].remove[].key': 'A backup of it that was deleted, or would be.',
    'copies[].remove[].source': 'Its source.',
    'copies[].remove[].createdAt': 'Its moment.',
    'copies[].remove[].reasons[]': 'Why.',
    'copies[].failed[].key': 'An object of it that could not be deleted.',
    'copies[].failed[].reason': 'Why not.',
    'copies[].failed[].isLocked': 'true when the store locks it for a time. Otherwise absent.',
    'copies[].skipped': 'Why it was not cleaned up, such as that it is away. Otherwise absent.',
  } satisfies Fields<{
    dryRun: boolean;
    keep: readonly ReturnType<typeof decided>[];
    remove: readonly ReturnType<typeof decided>[];
    failed: readonly RemoveFailure[];
    databases: readonly { name: string; since: string }[];
    copies: readonly ReturnType<typeof copyDecided>[];
  }>,
  'copy --json': {
    ok: 'Whether every copy has what it should have, or is away and not yet too late.',
    'copies[].name': 'The copy; `primary` with `--from`.',
    'copies[].ok': 'Whether it has what it should have.',
    'copies[].isAway': 'Whether it did not answer: late, and no failure until its own target is over.',
    'copies[].copied[]': 'The backups that were copied, by their keys without a prefix.',
    'copies[].copiedBytes': 'Bytes stored.',
    'copies[].missing': 'How many backups it should have and does not have.',
    'copies[].failed[].key': 'A backup that could not be copied.',
    'copies[].failed[].error': 'Why not.',
    'copies[].differing[]': 'Objects that have another size there: one of the two is not what was stored.',
    'copies[].log.bases': 'Bases of servers that were copied; `log` is null where none belongs into the copy.',
    'copies[].log.objects': 'Objects of their log.',
    'copies[].log.bytes': 'Bytes of both.',
    'copies[].durationMs': 'How long it took.',
    'copies[].error': 'Why nothing could be copied, and what to do next. Otherwise absent.',
  } satisfies Fields<{ ok: boolean; copies: readonly CopyResult[] }>,
  'hold --json': {
    key: 'The backup.',
    why: 'The reason that was given.',
    'stores[].name': 'A store that has it.',
    'stores[].ok': 'Whether it is held there.',
    'stores[].error': 'Why not. Otherwise absent.',
  },
  'release --json': {
    key: 'The backup.',

    'stores[].name': 'A store that has it.',
    'stores[].ok': 'Whether it is released there.',
    'stores[].error': 'Why not. Otherwise absent.',
  },
  'verify --json': {
    ok: 'Whether nothing is damaged, and what was asked to be locked is.',
    'stores[].name': "`primary`, or the copy's name.",
    'stores[].ok': 'The same of this store.',
    'stores[].reasons[]': 'Why it is not.',
    'stores[].read': 'How many backups were read back.',
    'stores[].readBytes': 'How many bytes.',
    'stores[].damaged[].key': 'A backup that is not what was stored, by its key without a prefix.',
    'stores[].damaged[].detail': 'What is wrong with it.',
    'stores[].protection.isDeletable':
      'Whether an object could be deleted for good with these keys; `protection` is null when it was not tried.',
    'stores[].protection.isOverwritable': 'Whether it could be overwritten, with nothing left of it.',
    'stores[].protection.keepsVersions': 'Whether the store keeps old versions.',
    'stores[].protection.lock.mode': '`compliance` or `governance`; `lock` is null without one.',
    'stores[].protection.lock.until': 'Until when what was put to try is locked.',
    'stores[].protection.refusal': 'In which words the store refused; empty when it did not.',
    'stores[].rewritten[]': 'Objects that somebody has written over.',
    'stores[].durationMs': 'How long it took.',
    'stores[].record': 'The key of the record; null when it could not be written.',
    'stores[].error': 'Why the store could not be read. Otherwise absent.',
  } satisfies Fields<{ ok: boolean; stores: readonly VerifyResult[] }>,
  'restore --json': {
    key: 'The backup that was restored.',
    database: 'The database, or the path, that now holds it.',
    previousDatabase: 'The name under which the replaced database is kept; null when there was none, or with `--to`.',
    safetyBackup: 'The key of the safety backup of the replaced database; null when there is none.',
    tables: 'How many tables were restored.',
    rows: 'How many rows.',
    files: 'Files only: how many. Otherwise absent.',
    fileBytes: 'Files only: how many bytes. Otherwise absent.',
    durationMs: 'How long it took until the restored database was in place.',
    'ungiven[]':
      'What of owner, grants, settings and roles could not be given to it; anything here means exit code 1. Usually empty.',
    'missing[]':
      'With `--without-broken`: what was left out, or holds for rows from now on alone, and why. Otherwise empty.',
    'moment.asked': 'Of a restore to a moment, what was asked for. Otherwise `moment` is absent.',
    'moment.server': 'The server whose log was replayed; `key` is that of the base.',
    'moment.lsn': 'Where in the log it ended.',
    'moment.lastIn': 'When the last transaction that is in was committed; null when there was none since the base.',
    'moment.firstOut': 'When the first one that is not in was committed; null when the log has none.',
    'moment.firstOutXid': 'The number of that transaction.',
  } satisfies Fields<RestoreResult>,
  'restore --undo --json': {
    database: 'The database, or the path.',
    restoredFrom: 'The name under which the database that is live again had been kept.',
    keptAs: 'The name under which the database that was live until now is kept.',
  } satisfies Fields<UndoResult>,
  'drill --json': {
    ok: 'Whether every drill passed.',
    'results[].version': 'The version of this record: 1.',
    'results[].key': 'The backup; null when there was none.',
    'results[].source': 'Its source.',
    'results[].store': 'The store that it was read from: `primary`, or a copy.',
    'results[].ok': 'Whether the drill passed.',
    'results[].startedAt': 'When it began.',
    'results[].finishedAt': 'When it ended.',
    'results[].rpoMs': 'The age of the backup when the drill began: what would have been lost.',
    'results[].rtoMs':
      'How long the restore took, from the first byte to the last check; null when it failed before that.',
    'results[].sizeBytes': 'Bytes stored.',
    'results[].rawBytes': 'Bytes before compression.',
    'results[].bytesPerSecond': 'Bytes before compression that were restored per second.',
    'results[].tables[].table': 'A table.',
    'results[].tables[].expected': 'Its rows by the manifest; null without one.',
    'results[].tables[].restored': 'Its rows as restored.',
    'results[].checks[].name': 'A check.',
    'results[].checks[].ok': 'Whether it passed.',
    'results[].checks[].detail': 'What it found.',
    'results[].proof.tables':
      'Tables whose rows were compared; `proof` is missing where a digest of all proves the content.',
    'results[].proof.rows': 'Rows that were compared.',
    'results[].proof.sums[].table': 'A table as it passed in the dump.',
    'results[].proof.sums[].rows': 'Its rows there.',
    'results[].proof.sums[].sum':
      'The sum of its rows, whatever their order; of an encrypted backup, keyed by its identity.',
    'results[].proof.notCompared[].what': 'What was not compared, or may differ.',
    'results[].proof.notCompared[].why': 'Why.',
    'results[].proof.durationMs': 'How long the comparison took, which `rtoMs` leaves out.',
    'results[].record': 'The key of the record of this drill in the storage; null when there is none.',
  } satisfies Fields<{ ok: boolean; results: readonly (DrillResult & { store: string })[] }>,
  'status --json': {
    ok: 'Whether every source, store and job is ok.',
    checkedAt: 'When this was found.',
    'jobs[].job':
      '`backup`, `cleanup`, `drill`, `copy` or `verify`: the scheduled jobs of this container; none elsewhere.',
    'jobs[].ok': 'Whether it was started when it was due.',
    'jobs[].missedAt': 'When it was due and was not started; null when all is well.',
    'jobs[].lastSeen': 'When it last began or ended in this container; null when it did not.',
    'jobs[].missed[]': 'Every time of the last days at which it was due and was not started, also before it ran again.',
    'jobs[].failed[]': 'When the runs of the last days began that failed, or were ended from outside.',
    'jobs[].reasons[]': 'What is wrong, in sentences.',
    'jobs[].notes[]': 'What was missed or failed and is over, in sentences; does not change `ok`.',
    'sources[].source': 'A source.',
    'sources[].ok': 'Whether it is backed up, recent and proved.',
    'sources[].reasons[]': 'Why it is not.',
    'sources[].warnings[]': 'What else an operator should know.',
    'sources[].lastBackup.key': 'The newest backup; `lastBackup` is null when there is none.',
    'sources[].lastBackup.createdAt': 'Its moment.',
    'sources[].lastBackup.sizeBytes': 'Bytes stored.',
    'sources[].lastBackup.manifest': 'Whether it has a manifest.',
    'sources[].lastDrill.key': 'The record of the newest drill; `lastDrill` is null when there is none.',
    'sources[].lastDrill.at': 'When it was.',
    'sources[].lastDrill.ok': 'Whether it passed.',
    'sources[].lastDrill.rtoMs': 'How long its restore took.',
    'sources[].rpoMs': 'The age of the newest backup: what would be lost now.',
    'sources[].rpoTargetMs': 'How old it may be (`RPO_TARGET`).',
    'sources[].rtoMs': 'How long the restore of the newest drill took.',
    'sources[].rtoTargetMs': 'How long it may take (`RTO_TARGET`).',
    'sources[].drillAgeMs': 'How old the newest drill is.',
    'sources[].drillMaxAgeMs': 'How old it may be (`DRILL_MAX_AGE`).',
    'sources[].backups': 'How many backups there are.',
    'sources[].storedBytes': 'Bytes stored, by all of them.',
    'sources[].nextRun': 'When the schedule backs it up next.',
    'sources[].running[].purpose': 'A run that is in progress: `backup`, `restore`, `drill` or `cleanup`.',
    'sources[].running[].forMs': 'For how long it has been running.',
    'sources[].running[].isStuck': 'Whether it hangs.',
    'sources[].keptDatabases[].name':
      'A database that a restore or an undo has replaced; `keptDatabases` is null when the server did not answer.',
    'sources[].keptDatabases[].role': '`previous` (replaced by a restore) or `undone` (replaced by an undo).',
    'sources[].keptDatabases[].since': 'Since when it is kept.',
    'sources[].keptDatabases[].sizeBytes': 'How large it is on the server.',
    'primary.name': '`primary`: the store that backups are written to.',
    'primary.ok': 'Whether nothing of it is late, damaged or unprotected against what was asked.',
    'primary.reasons[]': 'Why it is not.',
    'primary.warnings[]': 'What else an operator should know.',
    'primary.description': 'Which store it is.',
    'primary.isAway': 'Whether it does not answer now.',
    'primary.lastBackup.key': 'Its newest backup; `lastBackup` is null when there is none, or nobody can tell.',
    'primary.lastBackup.createdAt': 'Its moment.',
    'primary.lastBackup.sizeBytes': 'Bytes stored.',
    'primary.lagMs': '0.',
    'primary.missing': '0.',
    'primary.unreadable': 'Backups that were damaged when they were last read back.',
    'primary.lastVerified': 'When it was last read back.',
    'primary.lastDrill': 'When a backup of it was last drilled.',
    'primary.lock.mode': '`compliance` or `governance`; `lock` is null without one.',
    'primary.lock.until': 'Until when the newest backup is locked.',
    'primary.lock.provenAt': 'When that was last tried.',
    'primary.isDestroyable':
      "Whether somebody with this machine's keys can delete what is in it, as was tried; null when it was not.",
    'primary.backups': 'How many backups it holds.',
    'primary.storedBytes': 'Bytes stored, by all of them.',
    'copies[].name': "`primary`, or the copy's name.",
    'copies[].ok': 'Whether nothing of it is late, damaged or unprotected against what was asked.',
    'copies[].reasons[]': 'Why it is not.',
    'copies[].warnings[]': 'What else an operator should know.',
    'copies[].description': 'Which store it is.',
    'copies[].isAway': 'Whether it does not answer now.',
    'copies[].lastBackup.key': 'Its newest backup; `lastBackup` is null when there is none, or nobody can tell.',
    'copies[].lastBackup.createdAt': 'Its moment.',
    'copies[].lastBackup.sizeBytes': 'Bytes stored.',
    'copies[].lagMs': 'How far its newest backups are behind those of the primary store.',
    'copies[].missing': 'Backups that it should have by its own retention and does not have.',
    'copies[].unreadable': 'Backups that were damaged when they were last read back.',
    'copies[].lastVerified': 'When it was last read back.',
    'copies[].lastDrill': 'When a backup of it was last drilled.',
    'copies[].lock.mode': '`compliance` or `governance`; `lock` is null without one.',
    'copies[].lock.until': 'Until when the newest backup is locked.',
    'copies[].lock.provenAt': 'When that was last tried.',
    'copies[].isDestroyable':
      "Whether somebody with this machine's keys can delete what is in it, as was tried; null when it was not.",
    'copies[].backups': 'How many backups it holds.',
    'copies[].storedBytes': 'Bytes stored, by all of them.',
    protection:
      'How many copies there are, on how many stores, and which an intruder with the keys of this machine could delete.',
  } satisfies Fields<Status>,
  'notify-test --json': {
    ok: 'Whether every notification was sent.',
    'results[].kind': 'The kind of target, such as `slack`.',
    'results[].host': 'Its host.',
    'results[].ok': 'Whether it took the message.',
    'results[].durationMs': 'How long that took.',
    'results[].error': 'Why not. Absent when it did.',
  } satisfies Fields<{ ok: boolean; results: readonly Delivery[] }>,
  'keygen --json': {
    recipient: 'The public key, for `BACKUP_AGE_RECIPIENTS`.',
    identity: 'The secret key, with comments, as age-keygen prints it.',
  },
  'any command that could not do its work': {
    ok: 'false.',
    'error.code': 'A name for what went wrong, such as `STORAGE_DENIED`; `DEFECT` is an error in this program.',
    'error.message': 'What went wrong.',
    'error.hint': 'What to do next; may be empty.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

type Leaf = string | number | boolean | null | undefined;
type At<P extends string, K extends string> = P extends '' ? K : `${P}.${K}`;
/** The paths of a document's fields: `results[].key`. */
type Paths<T, P extends string> = T extends Leaf
  ? P
  : T extends readonly (infer E)[]
    ? Paths<E, `${P}[]`>
    : { [K in keyof T & string]-?: Paths<NonNullable<T[K]>, At<P, K>> }[keyof T & string];
/** A meaning for each field of a document, and for nothing else. */
type Fields<T> = Readonly<Record<Paths<T, ''>, string>>;

/** The fields of a document that was printed which the table does not have. */
export function unknownFields(command: string, document: unknown): string[] {
  const tables: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON_FIELDS;
  const known = { ...tables[`${command} --json`], ...JSON_FIELDS['any command that could not do its work'] };
  return [...new Set(pathsOf(document, ''))].filter(
    (path) =>
      !Object.keys(known).some((name) => name === path || name.startsWith(`${path}.`) || name.startsWith(`${path}[]`)),
  );
}

function pathsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => pathsOf(inner, path === '' ? name : `${path}.${name}`));
}
