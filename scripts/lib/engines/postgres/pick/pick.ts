import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';
import { inLargePipes } from '../../../pipeline/large-pipes.ts';
import type { ProofSide } from '../../restoring.ts';

const FILTER = fileURLToPath(new URL('./pick-filter.mjs', import.meta.url));

/** What is picked out of a dump: which tables, also those that turn out to be their partitions. */
export class Pick {
  #tables: Set<string>;

  /** @param tables as manifests name them */
  constructor(tables: readonly string[]) {
    this.#tables = new Set(tables.map(plainly));
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
    return { ...whole, passesText: true, picks: (table) => this.holds(table), excused };
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
