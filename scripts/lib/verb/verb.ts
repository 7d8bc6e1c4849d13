import type { ParseArgsConfig } from 'node:util';
import type { Config } from '../config/config.ts';
import type { Store } from '../copy/stores.ts';
import type { ExitCode } from '../errors.ts';
import { type JobName, withJobNote } from '../machine/job-notes.ts';
import { giveWay } from '../machine/priority.ts';
import type { Repository } from '../repository/repository.ts';
import { type Invocation, main, type Verb } from '../terminal/main.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A verb that works on the repository. */
export interface RepositoryVerb<O extends Options, R> extends Omit<Verb<O>, 'run'> {
  /** Whether it takes much of the machine, and therefore gives way to others (BACKUP_NICE). */
  readonly isHeavy?: boolean;
  /** The scheduled job that it is: that it ran is noted, for `status` to know. */
  readonly job?: JobName;
  /** What the words and options ask for. @throws OperatorError USAGE, before any configuration is read */
  request(invocation: Pick<Invocation<O>, 'options' | 'words' | 'json'>): R;
  run(run: Run, request: R): Promise<ExitCode>;
}

/** The primary store, and copies. */
export interface Stores {
  readonly primary: Store;
  readonly copies: readonly Store[];
}

/** What a verb works with. */
export interface Run {
  readonly config: Config;
  readonly repository: Repository;
  /** The primary store, and the copies: all, or those that are named. @throws OperatorError USAGE for one that is none */
  stores(names?: readonly string[]): Promise<Stores>;
  /** As `--from` has it: all stores, or beside the primary one the copy that it names. @throws OperatorError USAGE */
  storesFrom(from: string | undefined): Promise<Stores>;
  readonly json: boolean;
  /** Aborts on SIGTERM, SIGINT and SIGHUP. */
  readonly signal: AbortSignal;
}

/** Runs a verb on the configured repository, which it opens and closes. */
export async function verb<O extends Options, R>(definition: RepositoryVerb<O, R>): Promise<void> {
  await main({
    ...definition,
    run: (invocation) =>
      withJobNote(definition.job, async () => {
        const request = definition.request(invocation);
        // --help and a wrong option need none of this
        const [{ loadConfig }, { openCopies, PRIMARY, primaryStore }, { openRepository }] = await Promise.all([
          import('../config/config.ts'),
          import('../copy/stores.ts'),
          import('../repository/repository.ts'),
        ]);
        const config = loadConfig();
        if (definition.isHeavy) giveWay(config.values.BACKUP_NICE);
        const repository = await openRepository(config.repository);
        const opened: Store[] = [];
        const stores = async (names?: readonly string[]) => {
          const copies = await openCopies(config, names);
          opened.push(...copies);
          return { primary: primaryStore(config, repository), copies };
        };
        const storesFrom = (from: string | undefined) => stores(from === undefined || from === PRIMARY ? [] : [from]);
        try {
          const { json, signal } = invocation;
          return await definition.run({ config, repository, stores, storesFrom, json, signal }, request);
        } finally {
          repository.close();
          for (const copy of opened) copy.repository.close();
        }
      }),
  });
}
