import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

/** The width that every terminal has. */
export const COLUMNS = 80;

const graphemes = new Intl.Segmenter();

/** Of these each takes one column: ASCII, and the letters and dashes that our own words are written with. */
const PLAIN = /^[\x20-\x7e\u00c0-\u017f\u2013\u2014\u2026]*$/;

/** The columns that a text takes. For plain text a thousandth of what the first question about any other costs: its tables. */
function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** The text with spaces behind it, as wide as this many columns of a terminal: a Chinese character takes two. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/** The columns that the widest of these takes on a terminal. One by one: as arguments a hundred thousand are too many. */
export function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, widthOf(text)), 0);
}

/** The text, cut so that it takes no more columns; an ellipsis says that something is missing. */
export function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (widthOf(kept) + widthOf(segment) > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** A sentence broken at spaces so that no line is wider than the terminal; what follows the first line is indented. */
export function wrapped(sentence: string): string[] {
  const [first = '', ...rest] = wrapAnsi(sentence, COLUMNS).split('\n');
  if (rest.length === 0) return [first];
  return [
    first,
    ...wrapAnsi(rest.join(' '), COLUMNS - 4)
      .split('\n')
      .map((line) => `    ${line}`),
  ];
}

/** Lines of cells in columns that are as wide as their widest cell, but for the first, which is cut to fit the terminal. */
export function tableOf(rows: readonly (readonly string[])[], { leastFirst = 6 } = {}): string[] {
  const columns = rows.reduce((most, cells) => Math.max(most, cells.length), 0);
  const widths = Array.from({ length: columns }, (_, i) => widest(rows.map((cells) => cells[i] ?? '')));
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  widths[0] = Math.min(widths[0] ?? 0, Math.max(leastFirst, COLUMNS - others));
  return rows.map((cells) =>
    cells
      .map((cell, i) => padEnd(cutTo(cell, widths[i] ?? 0), widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
