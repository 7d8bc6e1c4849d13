import type { DumpFormat, EngineName } from '../formats.ts';
import type { Engine } from './engine.ts';

/** Each engine is loaded when a source needs it. */
const ENGINES = {
  files: async () => (await import('./files/index.ts')).files,
  mariadb: async () => (await import('./mariadb/index.ts')).mariadb,
  postgres: async () => (await import('./postgres/index.ts')).postgres,
} as const satisfies Record<EngineName, () => Promise<Engine>>;

/** What each engine's restores can read. */
const FORMATS = {
  files: ['tar'],
  mariadb: ['sql'],
  postgres: ['sql', 'custom', 'folder'],
} as const satisfies Record<EngineName, readonly DumpFormat[]>;

/** Whether backups of this format can be of a source of this engine. */
export function readsFormat(engine: EngineName, format: DumpFormat): boolean {
  return FORMATS[engine].some((each) => each === format);
}

export function engineOf(name: EngineName): Promise<Engine> {
  return ENGINES[name]();
}
