import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { runProgram, type Stage } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import { besideProgram, type Program } from '../server/programs.ts';
import { SET_BY_SERVER } from './data-folder.ts';
import { keepTablespacesInside, type MadeTablespace } from './made-tablespaces.ts';
import { type BaseArchive, linkTablespaces, mapTablespaces, tablespaceFolder, unpackBase } from './unpack.ts';

/**
 * Unpacks and verifies a base, and takes out of it what would let it start as something else.
 * @param at.own gives a path to the server's account
 * @returns the tablespaces that the log within the base makes
 * @throws OperatorError BACKUP_DAMAGED, NO_SPACE
 */
export async function prepareFiles(
  base: readonly BaseArchive[],
  program: Program,
  at: { directory: string; data: string; as: Partial<Stage>; own: (path: string) => unknown; signal: AbortSignal },
): Promise<MadeTablespace[]> {
  const { directory, data, as, own, signal } = at;
  const oids = base.flatMap(({ oid }) => (oid === undefined ? [] : [oid]));
  if (oids.length > 0) {
    mkdirSync(join(directory, 'tablespaces'), { mode: 0o700 });
    own(join(directory, 'tablespaces'));
  }
  for (const folder of [data, ...oids.map((oid) => tablespaceFolder(directory, oid))]) {
    mkdirSync(folder, { mode: 0o700 });
    own(folder);
  }
  await unpackBase(base, { directory, data, as, signal });
  linkTablespaces(directory, data, oids);
  await verify(program, data, as, signal);
  mapTablespaces(directory, data);
  for (const name of ['standby.signal', 'recovery.signal', 'postmaster.pid', 'postmaster.opts'])
    rmSync(join(data, name), { force: true });
  // what ALTER SYSTEM set may lead elsewhere: kept for who takes the files over
  const set = join(data, 'postgresql.auto.conf');
  if (existsSync(set)) copyFileSync(set, join(directory, SET_BY_SERVER));
  for (const name of ['postgresql.auto.conf', 'recovery.signal']) {
    writeFileSync(join(data, name), '');
    own(join(data, name));
  }
  chmodSync(data, 0o700);
  const made: MadeTablespace[] = [];
  for (const name of readdirSync(join(data, 'pg_wal')).filter((each) => /^[0-9A-F]{24}$/.test(each)))
    made.push(...(await keepTablespacesInside(join(data, 'pg_wal', name))));
  return made;
}

/** Every file against the checksums that the server wrote when the base was taken. */
async function verify(program: Program, data: string, as: Partial<Stage>, signal: AbortSignal): Promise<void> {
  const { path } = await besideProgram(program, 'pg_verifybackup');
  const result = await runProgram(
    { ...as, name: 'pg_verifybackup', command: path, args: ['--no-parse-wal', '--exit-on-error', data] },
    { signal },
  );
  if (result.exitCode === 0) return;
  const { message } = stageError(result);
  throw new OperatorError('BACKUP_DAMAGED', `the base is not what the server sent: ${message}`, {
    hint: 'An older base, with the log since then, may restore the same moment. Nothing was touched.',
  });
}
