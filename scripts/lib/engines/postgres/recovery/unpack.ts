import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, OperatorError } from '../../../errors.ts';
import { type Stage, startChain } from '../../../pipeline/chain.ts';
import { assertSucceeded } from '../../../pipeline/result.ts';

/** One archive of a base: the server's own files, or those of one tablespace. */
export interface BaseArchive {
  /** For messages. */
  readonly key: string;
  /** The tablespace; undefined for the server's own files. */
  readonly oid: string | undefined;
  /** The processes that make a tar archive of what `bytes` yields. */
  readonly opening: readonly Stage[];
  /** As it is stored. Throws at its end when that is not what was stored. */
  bytes(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Where the files of a tablespace go. */
export const tablespaceFolder = (directory: string, oid: string) => join(directory, 'tablespaces', oid);

/**
 * Unpacks a base: the server's files into `data`, each tablespace beside it.
 * @param as the account that is to own it
 * @throws OperatorError BACKUP_DAMAGED, NO_SPACE
 */
export async function unpackBase(
  archives: readonly BaseArchive[],
  { directory, data, as, signal }: { directory: string; data: string; as: Partial<Stage>; signal: AbortSignal },
): Promise<void> {
  for (const archive of archives) {
    const into = archive.oid === undefined ? data : tablespaceFolder(directory, archive.oid);
    mkdirSync(into, { recursive: true, mode: 0o700 });
    await unpack(archive, into, as, signal);
  }
}

async function unpack(archive: BaseArchive, into: string, as: Partial<Stage>, signal: AbortSignal): Promise<void> {
  const tar: Stage = {
    ...as,
    name: 'tar',
    command: 'tar',
    args: ['--extract', '--file=-', '--directory', into, '--no-same-owner', '--preserve-permissions'],
    hints: [[/No space left/, 'Point DRILL_DIR at a folder with more room, or free some. Nothing was touched.']],
  };
  const chain = startChain([...archive.opening, tar], { stdin: true, signal });
  const { stdin } = chain;
  if (!stdin) throw new OperatorError('PROCESS_FAILED', 'tar has no input to read from');
  let hasEnded = false;
  void chain.finished.then(() => {
    hasEnded = true;
    stdin.destroy();
  });
  try {
    for await (const chunk of archive.bytes(signal)) {
      if (hasEnded || stdin.destroyed) break;
      if (!stdin.write(chunk)) {
        await new Promise<void>((resolve) => {
          const done = () => {
            stdin.off('drain', done);
            stdin.off('close', done);
            resolve();
          };
          stdin.on('drain', done);
          stdin.on('close', done);
        });
      }
    }
    signal.throwIfAborted();
    stdin.end();
    const results = await chain.finished;
    signal.throwIfAborted();
    assertSucceeded(results);
  } catch (error) {
    chain.kill();
    stdin.destroy();
    await chain.finished;
    signal.throwIfAborted();
    if (error instanceof OperatorError && error.code === 'BACKUP_DAMAGED') throw error;
    if (/Cannot open: Permission denied/.test(messageOf(error)))
      throw new OperatorError('CONFIG', `${into} cannot be entered by the user that a server runs as`, {
        hint: 'As root the server runs as postgres, who has to be able to enter every folder above: chmod o+x them, or choose another folder (DRILL_DIR). Nothing was touched.',
        cause: error,
      });
    const isFull = /No space left/.test(messageOf(error));
    throw new OperatorError(
      isFull ? 'NO_SPACE' : 'BACKUP_DAMAGED',
      isFull ? `no room for the base: ${messageOf(error)}` : `${archive.key} is damaged: ${messageOf(error)}`,
      {
        hint: isFull
          ? 'Point DRILL_DIR at a folder with more room, or free some. Nothing was touched.'
          : 'An older base, with the log since then, may restore the same moment. Nothing was touched.',
        cause: error,
      },
    );
  }
}

/** Lets the server's links to its tablespaces lead to where they are now, for pg_verifybackup. */
export function linkTablespaces(directory: string, data: string, oids: readonly string[]): void {
  for (const oid of oids) {
    const link = join(data, 'pg_tblspc', oid);
    rmSync(link, { force: true });
    symlinkSync(tablespaceFolder(directory, oid), link);
  }
}

/** The server makes its links again from this map when it begins to recover. */
export function mapTablespaces(directory: string, data: string): void {
  const path = join(data, 'tablespace_map');
  if (!existsSync(path)) return;
  const lines = readFileSync(path, 'utf8').split('\n');
  // a line break in a path is escaped by a backslash: what goes on is not a line of its own
  const own = lines
    .map((line) => /^(\d+) /.exec(line)?.[1])
    .filter((oid) => oid !== undefined)
    .map((oid) => `${oid} ${tablespaceFolder(directory, oid)}\n`);
  writeFileSync(path, own.join(''));
}
