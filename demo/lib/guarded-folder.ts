import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bash } from '../../scripts/lib/pipeline/bash.ts';
import { type Stage, startChain } from '../../scripts/lib/pipeline/chain.ts';
import { assertSucceeded } from '../../scripts/lib/pipeline/result.ts';
import { notShown } from './place.ts';

/** A temporary folder that is gone when it is removed, or when this process ends, however. */
export interface GuardedFolder {
  readonly path: string;
  /** @throws OperatorError when what has to be done before it, or the removal, failed */
  remove(): Promise<void>;
}

const GUARD = fileURLToPath(new URL('./guard.sh', import.meta.url));

/** @param before what is to be run before the folder goes */
export function guardFolder(before?: (path: string) => Stage): GuardedFolder {
  const path = mkdtempSync(join(tmpdir(), 'demo-'));
  const last = before?.(path);
  const command = last ? [last.command, ...last.args] : [];
  const guard = startChain(
    [
      {
        name: last?.name ?? 'rm',
        ...bash(GUARD, [path, ...command]),
        env: last?.env ?? {},
      },
    ],
    { stdin: true },
  );
  return {
    path,
    remove: async () => {
      guard.stdin?.end('remove\n');
      const results = await guard.finished;
      rmSync(path, { recursive: true, force: true });
      assertSucceeded(results);
      if (existsSync(path)) throw notShown('it cleans up behind itself', `${path} is still there`);
    },
  };
}
