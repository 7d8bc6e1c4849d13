import { messageOf } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { Check } from '../../engine.ts';
import { besideProgram } from '../server/programs.ts';
import type { Recovered } from './recover.ts';

/** Every table and index of every database, read by the server's own checker. */
export async function checkStructure(recovered: Recovered, signal: AbortSignal): Promise<Check> {
  const name = 'amcheck';
  const { path } = await besideProgram(recovered.program, 'pg_amcheck');
  const result = await runProgram(
    {
      name: 'pg_amcheck',
      command: path,
      args: ['--all', '--install-missing', '--heapallindexed', '--no-password', '--jobs=2'],
      env: { PGHOST: recovered.host, PGPORT: String(recovered.port), PGUSER: recovered.user, PGDATABASE: 'postgres' },
    },
    { signal },
  );
  signal.throwIfAborted();
  if (result.startError === undefined && result.exitCode === 0)
    return { name, ok: true, detail: 'every table and B-tree index of every database is sound' };
  if (/could not open extension control file|extension "amcheck" is not available/.test(result.stderr))
    return { name, ok: true, detail: 'left out: the extension amcheck is not installed here' };
  const found = result.stdout.trim().split('\n').slice(0, 4).join(' | ');
  return { name, ok: false, detail: [messageOf(stageError(result)), found].filter(Boolean).join(' | ') };
}

/** The checksum of every page, of a server that has been shut down. */
export async function checkChecksums(recovered: Recovered, signal: AbortSignal): Promise<Check> {
  const name = 'page checksums';
  await recovered.shutDown();
  const { path } = await besideProgram(recovered.program, 'pg_checksums');
  const result = await runProgram(
    { ...recovered.as, name: 'pg_checksums', command: path, args: ['--check', '--pgdata', recovered.data] },
    { signal },
  );
  signal.throwIfAborted();
  if (result.exitCode === 0) {
    const blocks = /Blocks scanned:\s+(\d+)/.exec(result.stdout)?.[1] ?? '0';
    return { name, ok: true, detail: `${blocks} pages as they should be` };
  }
  if (/checksums are not enabled/.test(result.stderr))
    return { name, ok: true, detail: 'the server keeps none: pg_checksums --enable, or initdb --data-checksums' };
  return { name, ok: false, detail: messageOf(stageError(result)) };
}
