import type { EngineName } from '../formats.ts';
import type { Engine } from './engine.ts';

/** Each engine is loaded when a source needs it. */
const ENGINES = {
  files: async () => (await import('./files/index.ts')).files,
  mariadb: async () => (await import('./mariadb/index.ts')).mariadb,
  postgres: async () => (await import('./postgres/index.ts')).postgres,
} as const satisfies Record<EngineName, () => Promise<Engine>>;

/** The engine of that name. */
export function engineOf(name: EngineName): Promise<Engine> {
  return ENGINES[name]();
}
