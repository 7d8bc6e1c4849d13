import assert from 'node:assert/strict';
import { configure } from '../../scripts/lib/config/config.ts';
import { engineOf } from '../../scripts/lib/engines/index.ts';
import type { RestoreSession } from '../../scripts/lib/engines/restoring.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import { load } from '../../scripts/lib/restore/load.ts';
import { beginProof, type ProofResult } from '../../scripts/lib/restore/proof.ts';
import { placeOf } from '../../scripts/lib/source.ts';
import { temporaryFolder } from './folders.ts';
import { done, type Environment } from './verbs.ts';

/** A backup that has been loaded beside its source, and can be proved as often as it is changed. */
export interface LoadedBackup {
  /** The database that it was loaded into. */
  readonly staging: string;
  prove(): Promise<ProofResult>;
  /** The words of what failed, by the check's name. */
  failures(): Promise<Record<string, string>>;
  close(): Promise<void>;
}

/** Backs a database up as `env` says and loads it into another one, with the proof watching. */
export async function backUpAndLoad(env: Environment): Promise<LoadedBackup> {
  const folder = temporaryFolder();
  const all = { ...env, BACKUP_DIR: folder };
  await done('backup', [], all);
  return loadLatest(all);
}

/** Loads the newest backup of a storage into a database beside its source, with the proof watching. */
export async function loadLatest(env: Environment): Promise<LoadedBackup> {
  const { signal } = new AbortController();
  const config = configure({ PATH: process.env.PATH ?? '', ...env });
  const repository = await openRepository(config.repository);
  const [backup] = await repository.backups(signal);
  const [source] = config.sources;
  assert.ok(backup && source);
  const manifest = await repository.manifestOf(backup, signal);
  const globals = await repository.globalsOf(backup, manifest, signal);
  const engine = await engineOf(source.engine);
  const session: RestoreSession = await engine.beginRestore(source, {
    to: `${placeOf(source)}copy`,
    ...(manifest ? { manifest } : {}),
    ...(globals === undefined ? {} : { globals }),
    signal,
  });
  const proof = await beginProof({ repository, backup, manifest, session, globals, signal });
  assert.ok(proof);
  await load({ repository, backup, manifest, session, witness: proof.witness, signal });
  await session.prepare();
  return {
    staging: session.staging,
    prove: () => proof.prove(),
    failures: async () => {
      const { checks } = await proof.prove();
      return Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ name, detail }) => [name, detail]));
    },
    close: async () => {
      await session.discard();
      await session.close();
      repository.close();
    },
  };
}
