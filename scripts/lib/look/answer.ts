import { once } from 'node:events';
import type { Answer } from '../engines/looking.ts';

type Cell = string | number | boolean | null | object;

/** A row as an object; of columns of one name the later ones are called `name_2`, `name_3`. */
export type AnsweredRow = Readonly<Record<string, Cell>>;

/** The names of columns as the keys of an object: none twice. */
export function distinctNames(columns: readonly { readonly name: string }[]): string[] {
  const taken = new Set(columns.map(({ name }) => name));
  const seen = new Set<string>();
  return columns.map(({ name }) => {
    let own = name;
    for (let n = 2; seen.has(own) || (own !== name && taken.has(own)); n += 1) own = `${name}_${n}`;
    seen.add(own);
    return own;
  });
}

/**
 * All rows as objects. What JSON has no number for, as NaN or more digits than it keeps, stays text; of a document in which there is
 * such a number all of it does.
 */
export async function asObjects({ columns, rows }: Answer): Promise<AnsweredRow[]> {
  const names = distinctNames(columns);
  const found: AnsweredRow[] = [];
  for await (const row of rows)
    found.push(Object.fromEntries(names.map((name, i) => [name, cellOf(row[i] ?? null, columns[i]?.kind)])));
  return found;
}

function cellOf(text: string | null, kind: Answer['columns'][number]['kind'] | undefined): Cell {
  if (text === null) return null;
  switch (kind) {
    case 'number': {
      const number = Number(text);
      return isKept(number) ? number : text;
    }
    case 'boolean':
      return text === 't';
    case 'json':
      return keepsDigits(text) ? (JSON.parse(text) as Cell) : text;
    default:
      return text;
  }
}

const isKept = (number: number) =>
  Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));

/** Decimal digits that a number of 64 bits keeps, whatever they are. */
const DIGITS_KEPT = 15;

/** Whether every number of a document is the same once it was read (RFC 8259, section 6). What stands in its texts is none. */
function keepsDigits(document: string): boolean {
  const tokens = document.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/gi);
  for (const [, number] of tokens) {
    if (number === undefined) continue;
    if (!isKept(Number(number))) return false;
    const [digits = ''] = number.split(/e/i);
    const significant = digits.replaceAll(/[-.]/g, '').replace(/^0+/, '');
    if (significant !== '' && Number(number) === 0) return false;
    if (significant.length > DIGITS_KEPT && String(Number(number)) !== number) return false;
  }
  return true;
}

/** One line of comma-separated values (RFC 4180), as COPY of PostgreSQL writes it: NULL is empty, an empty text is `""`. */
export function csvLine(cells: readonly (string | null)[]): string {
  const quoted = cells.map((cell) => {
    if (cell === null) return '';
    // a line that says \. by itself ends the input of COPY
    const isEnd = cells.length === 1 && cell === '\\.';
    return cell === '' || isEnd || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  });
  return quoted.join(',');
}

/** Writes an answer to standard output as it comes, with the names of its columns first, and waits where its reader is slow. */
export async function writeCsv({ columns, rows }: Answer): Promise<void> {
  const write = async (cells: readonly (string | null)[]) => {
    if (!process.stdout.write(`${csvLine(cells)}\n`)) await Promise.race([once(process.stdout, 'drain'), closed()]);
  };
  if (columns.length > 0) await write(columns.map(({ name }) => name));
  for await (const row of rows) {
    if (process.stdout.destroyed) return;
    await write(row);
  }
}

/** The reader may have gone, as head does. */
const closed = () => once(process.stdout, 'close');
