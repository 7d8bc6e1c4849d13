import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { done, type Environment, type Outcome } from './verbs.ts';

/** A backup that `backup` has taken: the first of its run. */
export interface Taken {
  readonly key: string;
  /** What the document of the run says of it. */
  readonly result: Outcome['json'];
  /** Read from the folder that BACKUP_DIR names. */
  readonly manifest: Manifest;
  readonly stderr: string;
}

/** Takes a backup, which has to succeed. */
export async function backUp(env: Environment): Promise<Taken> {
  const { json, stderr } = await done('backup', ['--json'], env);
  const [result] = json.results;
  const key: string = result.key;
  return {
    key,
    result,
    stderr,
    get manifest() {
      const stem = key.replace(/\.(sql|dump|tar)[.a-z]*$|\/$/, '');
      return JSON.parse(readFileSync(join(env.BACKUP_DIR ?? '', `${stem}.json`), 'utf8')) as Manifest;
    },
  };
}

/** A key pair of age's, as age-keygen makes it. */
export function ageKeyPair(): { identity: string; recipient: string } {
  const text = execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return { identity: /AGE-SECRET-KEY-1\w+/.exec(text)?.[0] ?? '', recipient: /age1\w+/.exec(text)?.[0] ?? '' };
}
