import type { EngineName } from '../config-sources.ts';
import type { ObjectFormat } from '../object-key.ts';
import type { Engine } from './engine.ts';

/** Each engine is loaded when a source needs it. */
const ENGINES = {
  files: async () => (await import('./files.ts')).files,
  mariadb: async () => (await import('./mariadb.ts')).mariadb,
  postgres: async () => (await import('./postgres.ts')).postgres,
} as const satisfies Record<EngineName, () => Promise<Engine>>;

/** What each engine's restores can read. */
const FORMATS = {
  files: ['tar'],
  mariadb: ['sql'],
  postgres: ['sql', 'custom', 'folder'],
} as const satisfies Record<EngineName, readonly ObjectFormat[]>;

/** Whether backups of this format can be of a source of this engine. */
export function readsFormat(engine: EngineName, format: ObjectFormat): boolean {
  return FORMATS[engine].some((each) => each === format);
}

export function engineOf(name: EngineName): Promise<Engine> {
  return ENGINES[name]();
}
