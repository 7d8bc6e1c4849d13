import { isLeftOut } from '../repository/left-out.ts';
import type { Contents, SourceFacts } from '../repository/manifest.ts';
import { readOutlineLine } from '../repository/outline.ts';

/** What is known of one of the two sides, from its manifest or from the live server. */
export type Known = Pick<Contents, 'tables' | 'files' | 'fileBytes' | 'treeDigest'> &
  Pick<SourceFacts, 'outline' | 'leftOut'>;

/** A table, a view or a function that is not the same on both sides. */
export interface Change {
  /** `table`, `view`, `materialized view`, `function`, …; `folder` of a backup of files. */
  readonly kind: string;
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** null where there are none, or it is not known, as of rows that are left out on purpose. */
  readonly rows: { readonly from: number | null; readonly to: number | null };
  /** On the disk of the server, with its indexes. */
  readonly bytes: { readonly from: number | null; readonly to: number | null };
  /** In which respects its definition changed: `columns`, `constraints`, `indexes`, `rules`, `rights`, `body`. */
  readonly definition: readonly string[];
}

interface Side {
  /** Its rows were left out on purpose. */
  readonly isLeftOut: boolean;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly parts: Readonly<Record<string, string>>;
}

/**
 * What changed between two sides: the most rows first, and last what changed in nothing but its size.
 * Definitions and sizes are compared where both sides know them.
 */
export function changesBetween(from: Known, to: Known): Change[] {
  if (from.files !== undefined || to.files !== undefined) return treeChanges(from, to);
  const [before, after] = [sideOf(from), sideOf(to)];
  const compares = from.outline !== undefined && to.outline !== undefined;
  const changes: Change[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(key), after.get(key)];
    // what only one side has an outline of is known to the other by its rows alone
    if (!compares && (one?.rows ?? null) === null && (other?.rows ?? null) === null) continue;
    const definition = compares && one && other ? differing(one.parts, other.parts) : [];
    const hasSameRows = one?.isLeftOut || other?.isLeftOut || one?.rows === other?.rows;
    const isSame = one && other && hasSameRows && (!compares || one.bytes === other.bytes) && definition.length === 0;
    if (isSame) continue;
    const at = key.lastIndexOf(SEPARATOR);
    changes.push({
      kind: key.slice(0, at),
      name: key.slice(at + 1),
      change: one === undefined ? 'added' : other === undefined ? 'removed' : 'changed',
      rows: { from: one?.rows ?? null, to: other?.rows ?? null },
      bytes: { from: one?.bytes ?? null, to: other?.bytes ?? null },
      definition,
    });
  }
  return changes.sort((a, b) => weight(b) - weight(a) || (a.name < b.name ? -1 : 1));
}

const SEPARATOR = '\u0000';

function sideOf(known: Known): Map<string, Side> {
  const { tables, outline } = known;
  const sides = new Map<string, Side>();
  const isOut = (table: string) => isLeftOut(known, table);
  const rowsOf = new Map(tables.map(({ table, rows }) => [table, isOut(table) ? null : rows]));
  for (const [key, line] of Object.entries(outline ?? {})) {
    const [kind, name] = splitKey(key);
    const { bytes, parts } = readOutlineLine(line);
    const rows = kind === 'table' ? (rowsOf.get(name) ?? null) : null;
    sides.set(`${kind}${SEPARATOR}${name}`, { isLeftOut: isOut(name), rows, bytes: bytes ?? null, parts });
  }
  for (const [table, rows] of rowsOf) {
    const key = `table${SEPARATOR}${table}`;
    if (!sides.has(key)) sides.set(key, { isLeftOut: isOut(table), rows, bytes: null, parts: {} });
  }
  return sides;
}

const KINDS = ['materialized view', 'foreign table'];

/** `table public.orders`: names may have spaces, and two of the kinds have one. */
function splitKey(key: string): [string, string] {
  const kind = KINDS.find((each) => key.startsWith(`${each} `)) ?? key.slice(0, key.indexOf(' '));
  return [kind, key.slice(kind.length + 1)];
}

function differing(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((part) => one[part] !== other[part]);
}

/** By how many rows; what came, went or was defined otherwise before what only grew. */
function weight({ change, rows, definition }: Change): number {
  const by = Math.abs((rows.to ?? 0) - (rows.from ?? 0));
  return by + (change !== 'changed' || definition.length > 0 ? 0.5 : 0);
}

function treeChanges(from: Known, to: Known): Change[] {
  if (from.treeDigest === to.treeDigest && from.files === to.files) return [];
  return [
    {
      kind: 'folder',
      name: 'files',
      change: 'changed',
      rows: { from: from.files ?? null, to: to.files ?? null },
      bytes: { from: from.fileBytes ?? null, to: to.fileBytes ?? null },
      definition: [],
    },
  ];
}
