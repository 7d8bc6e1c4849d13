import { print } from '../../scripts/lib/terminal/log.ts';

/** How the story is set: plain text that reads well in 80 columns, without colour, in a log. */

const WIDTH = 79;
const INDENT = '   ';

let isAfterEmptyLine = false;

function put(text: string): void {
  print(text);
  isAfterEmptyLine = text === '';
}

/** An empty line, where there is none yet. */
export function pause(): void {
  if (!isAfterEmptyLine) put('');
}

/** A heading. */
export function heading(title: string): void {
  pause();
  put(title);
  pause();
}

/** A step's heading. */
export function step(number: number, title: string): void {
  heading(`${number}. ${title}`);
}

/** A paragraph. */
export function say(text: string): void {
  put(fold(text, INDENT, INDENT));
}

/** An item of a list. */
export function item(text: string): void {
  put(fold(text, `${INDENT}- `, `${INDENT}  `));
}

/** A command, as its reader would type it. */
export function typed(command: string): void {
  pause();
  put(`${INDENT}$ ${command}`);
}

/** What a command printed, with long lines folded. */
export function output(text: string): void {
  const lines = text.replace(/\s+$/, '').split('\n');
  for (const line of lines) {
    const fits = INDENT.length + line.length <= WIDTH;
    put(fits ? `${INDENT}${line}`.trimEnd() : fold(line, INDENT, `${INDENT}  `));
  }
}

/** A claim that was just computed and holds. */
export function proved(text: string): void {
  put(fold(text, `${INDENT}[ok] `, `${INDENT}     `));
}

/** Rows of names and right-aligned values; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    put(`${INDENT}${cells.join('  ')}`.trimEnd());
  }
}

function fold(text: string, first: string, rest: string): string {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(/\s+/).filter((w) => w !== '')) {
    if (!isEmpty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line].join('\n');
}
