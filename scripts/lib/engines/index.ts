import type { EngineName } from '../config-sources.ts';
import type { Engine } from './engine.ts';

/** Each engine is loaded when a source needs it. */
const ENGINES = {
  mariadb: async () => (await import('./mariadb.ts')).mariadb,
  postgres: async () => (await import('./postgres.ts')).postgres,
} as const satisfies Record<EngineName, () => Promise<Engine>>;

export function engineOf(name: EngineName): Promise<Engine> {
  return ENGINES[name]();
}
