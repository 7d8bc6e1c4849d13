import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleVerbs } from '../../docker/backup/bundle.ts';
import { configure } from '../../scripts/lib/config/config.ts';
import type { Recovered } from '../../scripts/lib/engines/postgres/recovery/recover.ts';
import { openLog } from '../../scripts/lib/log/store.ts';
import { openServerLog, planEnd } from '../../scripts/lib/moment/plan.ts';
import { recoverPlan } from '../../scripts/lib/moment/recover.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import type { Environment } from './verbs.ts';

/** Verbs that run for as long as a script by hand does, with what they say in a file. */
export interface Verbs {
  readonly folder: string;
  start(verb: string, args: readonly string[], env: Environment): ChildProcess;
  /** @throws Error with what it said, unless it ends with this code */
  run(verb: string, args: readonly string[], env: Environment, code?: number): Promise<string>;
  remove(): void;
}

export async function bundledVerbs(): Promise<Verbs> {
  const folder = mkdtempSync(join(tmpdir(), 'long-run-'));
  // servers run as another user where this is root
  chmodSync(folder, 0o755);
  await bundleVerbs(join(folder, 'verbs'));
  const said = createWriteStream(join(folder, 'said.log'), { flags: 'a' });
  const start = (verb: string, args: readonly string[], env: Environment) => {
    const child = spawn(process.execPath, [join(folder, 'verbs', `${verb}.mjs`), ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder, AWS_EC2_METADATA_DISABLED: 'true', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr?.pipe(said, { end: false });
    return child;
  };
  return {
    folder,
    start,
    run: (verb, args, env, code = 0) =>
      new Promise((resolve, reject) => {
        const child = start(verb, args, env);
        let [out, err] = ['', ''];
        child.stdout?.setEncoding('utf8').on('data', (text: string) => {
          out += text;
        });
        child.stderr?.setEncoding('utf8').on('data', (text: string) => {
          err += text;
        });
        child.once('close', (ended) => {
          if (ended === code) resolve(out);
          else reject(new Error(`${verb} ${args.join(' ')} ended with ${ended}: ${err}`));
        });
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Recovers a server from what is stored, the newest base and all of the log after it. */
export async function recoverToEnd(env: Environment, server = '127.0.0.1'): Promise<Recovered> {
  const config = configure({ PATH: process.env.PATH ?? '', ...env });
  const repository = await openRepository(config.repository);
  try {
    const { signal } = new AbortController();
    const store = openLog(repository);
    const plan = await planEnd(await openServerLog(store, server, signal));
    if (!plan) throw new Error('there is no base');
    return await recoverPlan({ config, repository, store, plan, signal });
  } finally {
    repository.close();
  }
}
