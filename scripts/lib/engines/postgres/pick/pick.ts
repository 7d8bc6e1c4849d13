import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';
import { inLargePipes } from '../../../pipeline/large-pipes.ts';
import type { ProofSide } from '../../restoring.ts';

const FILTER = fileURLToPath(new URL('./pick-filter.mjs', import.meta.url));

/** What is picked out of a dump: which tables, also those that turn out to be their partitions. */
export class Pick {
  /** The tables that were asked for, as manifests name them. */
  readonly asked: readonly string[];
  #tables: Set<string>;
  #kept = new Set<string>();
  #ofExtensions = new Set<string>();

  /** @param tables as manifests name them */
  constructor(tables: readonly string[]) {
    this.asked = tables;
    this.#tables = new Set(tables.map(plainly));
  }

  /** Tables that extensions keep rows of what is wanted in: they come with it, and are nothing to copy from. */
  addKept(tables: readonly string[]): void {
    for (const table of tables.map(plainly)) {
      this.#kept.add(table);
      this.#tables.add(table);
    }
  }

  /** Tables that have rows as soon as their extension is made, whatever is loaded. */
  comesWithExtensions(tables: readonly string[]): void {
    this.#ofExtensions = new Set(tables.map(plainly));
  }

  /** Whether this table is there to be copied from. */
  gives(table: string): boolean {
    return this.holds(table) && !this.#kept.has(plainly(table));
  }

  /** The tables, and what is known of their partitions: of a folder, from its first object on. Spelled as `plainly` does. */
  get tables(): readonly string[] {
    return [...this.#tables];
  }

  /** @param table as a manifest or the server names it */
  holds(table: string): boolean {
    return this.#tables.has(plainly(table));
  }

  /** What passes is text, and of it what belongs to no table is not held against what was restored. */
  proofSide(whole: ProofSide): ProofSide {
    const excused = (object: string) => (VIEW.test(object) ? 'no view is picked out' : whole.excused?.(object));
    const brings = (table: string) => !this.holds(table) && this.#ofExtensions.has(plainly(table));
    return { ...whole, passesText: true, picks: (table) => this.holds(table), brings, excused };
  }

  /** Stands in front of what sees a dump's text pass, and hands on what these tables need. */
  stage(): Stage {
    // asked for as the process is started
    const files = () => [JSON.stringify(this.tables)];
    return {
      name: 'pick',
      ...inLargePipes(process.execPath, [FILTER]),
      get files() {
        return files();
      },
      onLine: (line) => {
        const found = /^PICKED (.*)$/.exec(line)?.[1];
        if (found === undefined) return false;
        for (const table of JSON.parse(found) as string[]) this.#tables.add(table);
        return true;
      },
    };
  }
}

/** Views are dropped again, and those that wait for a key are not even made in full. */
const VIEW = /^(?:MATERIALIZED )?VIEW |^RULE /;

/** A qualified name with quotes where its letters need them, and not where it is a word of SQL. */
export function plainly(name: string): string {
  return (name.match(/"(?:[^"]|"")*"|[^".]+/g) ?? [])
    .map((part) => (/^"[a-z_][a-z0-9_$]*"$/.test(part) ? part.slice(1, -1) : part))
    .join('.');
}
