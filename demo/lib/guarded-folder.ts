import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stage, startChain } from '../../scripts/lib/pipeline/chain.ts';
import { assertSucceeded } from '../../scripts/lib/pipeline/result.ts';
import { notShown } from './place.ts';

/** A temporary folder that is gone when it is removed, or when this process ends, however. */
export interface GuardedFolder {
  readonly path: string;
  /** @throws OperatorError when what has to be done before it, or the removal, failed */
  remove(): Promise<void>;
}

// A line on its standard input tells it to remove the folder; the end of it without one, that this process is gone, by
// SIGKILL maybe, and that what it had started may still be at work for a moment. Ctrl-C reaches the whole group, this
// one too, so it has to be deaf to it; and whoever is gone must not be written to.
const GUARD = `
trap '' INT TERM HUP PIPE
dir=$1; shift
before() {
  (($#)) || return 0
  for attempt in 1 2 3; do
    "$@" </dev/null >"$dir/guard.log" 2>&1 && return
  done
  return 1
}
read -r line
if [[ $line != remove ]]; then
  before "$@"
  (($#)) && sleep 20
fi
before "$@"
status=$?
((status == 0)) || tail -n 5 "$dir/guard.log" >&2
rm -rf -- "$dir"
exit $status`;

/** @param before what is to be run before the folder goes */
export function guardFolder(before?: (path: string) => Stage): GuardedFolder {
  const path = mkdtempSync(join(tmpdir(), 'demo-'));
  const last = before?.(path);
  const command = last ? [last.command, ...last.args] : [];
  const guard = startChain(
    [
      {
        name: last?.name ?? 'rm',
        command: 'bash',
        // without ~/.bashrc, which bash reads when its input is a socket
        args: ['--norc', '-c', GUARD, 'guard', path, ...command],
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
