import { createHash } from 'node:crypto';
import { LONG_ROW_BYTES, RowSums } from './row-sums.mjs';

const NEWLINE = 10;
const OPENING = 40;
const SHOWN_CHARACTERS = 400;
const KEPT_ROW_BYTES = 1 << 16;
const NAME = '`((?:[^`]|``)*)`';

/**
 * @typedef {import('./reading.ts').ReadingOptions} ReadingOptions
 * @typedef {import('./reading.ts').ReadingLine} ReadingLine
 */

/**
 * Reads a dump of mariadb-dump's as it passes: sums its rows by table, and hands on its definitions. It writes every row on
 * a line of its own and no line break inside one (docs/adr/0011-mariadb-row-counts.md).
 */
export class MariaDbReader {
  #sums = new RowSums();
  /** @type {Map<string, string[]>} */
  #columns = new Map();
  /** @type {string | undefined} */
  #table;
  #isInCode = false;
  /** @type {string[]} */
  #statement = [];
  /** @type {Buffer[]} */
  #rest = [];
  #restBytes = 0;
  #partBytes = 0;
  #options;
  #report;

  /**
   * @param {ReadingOptions} options
   * @param {(line: ReadingLine) => void} report
   */
  constructor(options, report) {
    this.#options = options;
    this.#report = report;
  }

  /** @param {Buffer} chunk */
  feed(chunk) {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const piece = chunk.subarray(at, end);
      at = end + 1;
      if (this.#restBytes === 0 && this.#partBytes === 0) this.#line(piece);
      else this.#endOfLine(piece);
    }
  }

  /** Says what there was. */
  end() {
    if (this.#restBytes > 0 || this.#partBytes > 0) this.#endOfLine(Buffer.alloc(0));
    for (const { name, rows, sum } of this.#sums.tables())
      this.#report({ kind: 'table', name, rows, sum, columns: this.#columns.get(name) ?? [] });
    if (!this.#options.find) this.#report({ kind: 'buckets', packed: this.#sums.buckets() });
    this.#report({ kind: 'end', isWhole: this.#table === undefined && this.#statement.length === 0 });
  }

  /**
   * The beginning of a line whose end has not come. The last byte is kept back: it may be the comma after the row.
   * @param {Buffer} piece
   */
  #keep(piece) {
    this.#rest.push(Buffer.from(piece));
    this.#restBytes += piece.length;
    const isRow = this.#table !== undefined && (this.#partBytes > 0 || this.#rest[0]?.[0] === OPENING);
    if (!isRow || this.#restBytes <= LONG_ROW_BYTES || this.#options.find?.key !== undefined) return;
    const all = Buffer.concat(this.#rest);
    this.#sums.addPart(all.subarray(0, -1));
    this.#partBytes += all.length - 1;
    this.#rest = [all.subarray(-1)];
    this.#restBytes = 1;
  }

  /** @param {Buffer} piece */
  #endOfLine(piece) {
    const line = Buffer.concat([...this.#rest, piece]);
    const isLong = this.#partBytes > 0;
    this.#rest = [];
    this.#restBytes = 0;
    this.#partBytes = 0;
    if (!isLong) {
      this.#line(line);
      return;
    }
    this.#sums.endParts(line.subarray(0, -1));
    this.#found(undefined);
  }

  /** @param {Buffer} line without its line break */
  #line(line) {
    if (this.#table !== undefined && line[0] === OPENING) {
      const row = line.subarray(0, -1);
      this.#sums.add(row);
      if (this.#options.find) this.#found(row);
      return;
    }
    this.#text(line.toString('utf8'));
  }

  /** @param {string} line */
  #text(line) {
    if (line === 'DELIMITER ;;') this.#isInCode = true;
    else if (line === 'DELIMITER ;') this.#isInCode = false;
    else if (this.#statement.length === 0 && (line === '' || line.startsWith('--'))) return;
    else {
      this.#statement.push(line);
      if (!line.endsWith(this.#isInCode ? ';;' : ';') && !/^INSERT INTO .* VALUES$/.test(line)) return;
      const text = this.#statement.join('\n');
      this.#statement = [];
      this.#take(text.replace(/;+$/, ''));
    }
  }

  /** @param {string} text */
  #take(text) {
    const locked = new RegExp(`^LOCK TABLES ${NAME} WRITE$`).exec(text)?.[1];
    if (locked !== undefined) {
      this.#table = shown(locked);
      this.#sums.begin(this.#table);
      return;
    }
    if (text === 'UNLOCK TABLES') {
      this.#table = undefined;
      return;
    }
    const inserted = new RegExp(`^INSERT INTO ${NAME} (?:\\((.*)\\) )?VALUES$`).exec(text);
    if (inserted) {
      const columns = [...(inserted[2] ?? '').matchAll(new RegExp(NAME, 'g'))].map(([, name = '']) => name);
      if (this.#table !== undefined && columns.length > 0) this.#columns.set(this.#table, columns);
      return;
    }
    if (IGNORED.test(text)) return;
    this.#noteKey(text);
    const whole = canonical(text, this.#options.renamed ?? {});
    const sequence = new RegExp(`SETVAL\\(${NAME}, `, 'i').exec(text)?.[1];
    this.#report({
      kind: 'statement',
      about: sequence === undefined ? 'definitions' : 'sequences',
      object: sequence === undefined ? labelOf(whole) : whole.slice(0, 120),
      hash: createHash('sha256').update(whole).digest('hex').slice(0, 32),
      text: whole.slice(0, SHOWN_CHARACTERS),
    });
  }

  /**
   * The columns of a row have no names in a dump but in the table's definition, which comes before.
   * @param {string} text
   */
  #noteKey(text) {
    const made = new RegExp(`^CREATE TABLE ${NAME}`).exec(text)?.[1];
    if (made === undefined) return;
    const table = shown(made);
    const lines = text.split('\n');
    const columns = lines.flatMap((line) => new RegExp(`^  ${NAME} `).exec(line)?.[1]?.replaceAll('``', '`') ?? []);
    this.#columns.set(table, columns);
    const key = lines.map((line) => /^ {2}PRIMARY KEY \((.*)\)/.exec(line)?.[1]).find((found) => found !== undefined);
    const names = [...(key ?? '').matchAll(new RegExp(NAME, 'g'))].map(([, name = '']) => name.replaceAll('``', '`'));
    if (names.length > 0) this.#report({ kind: 'key', table, columns: names });
  }

  /**
   * Hands on the row that has just been added where it is one that is looked for.
   * @param {Buffer | undefined} row
   */
  #found(row) {
    const { find } = this.#options;
    if (!find || this.#table !== find.table) return;
    const fields = row && (find.key !== undefined || row.length <= KEPT_ROW_BYTES) ? fieldsOf(row) : undefined;
    if (find.key !== undefined) {
      if (!find.key.every(({ at, value }) => fields?.[at] === value)) return;
    } else if (!find.buckets.includes(this.#sums.bucket)) return;
    this.#report({ kind: 'row', hash: this.#sums.hash, position: this.#sums.rows, fields });
  }
}

/** What sets up the session, and what makes room for what follows. */
const IGNORED =
  /^(\/\*M?!\d+ )?(SET |set |DROP |\/\*!\d+ DROP |USE |commit$|ALTER TABLE `(?:[^`]|``)*` (DISABLE|ENABLE) KEYS)|^\/\*M?!999999/;

/** @param {string} name in backquotes, without them */
function shown(name) {
  const plain = name.replaceAll('``', '`');
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(plain) ? plain : `\`${name}\``;
}

/** @param {string} text */
function labelOf(text) {
  const plain = text
    .replaceAll(/\/\*M?!\d+|\*\//g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const found =
    /\b(TABLE|VIEW|TRIGGER|FUNCTION|PROCEDURE|PACKAGE BODY|PACKAGE|EVENT|SEQUENCE|DATABASE) (?:IF NOT EXISTS )?(`(?:[^`]|``)*`)/i.exec(
      plain,
    );
  return found ? `${found[1]?.toLowerCase()} ${shown((found[2] ?? '').slice(1, -1))}` : plain.slice(0, 60);
}

/**
 * A definition in the words that a second dump has: the database's own name, where the dump was made, stands for itself.
 * @param {string} text
 * @param {Readonly<Record<string, string>>} renamed
 */
function canonical(text, renamed) {
  let result = text;
  for (const [from, to] of Object.entries(renamed))
    result = result.replaceAll(`\`${from.replaceAll('`', '``')}\``, `\`${to.replaceAll('`', '``')}\``);
  return result;
}

/**
 * The values of a row: numbers, NULL, hexadecimal, and texts, which may hold commas.
 * @param {Buffer} row `(1,'a',NULL)`
 */
function fieldsOf(row) {
  const text = row.toString('utf8').slice(1, -1);
  return [...text.matchAll(/((?:'(?:[^'\\]|\\[\s\S]|'')*'|[^',])*)(?:,|$)/g)]
    .map(([, value = '']) => value)
    .slice(0, -1);
}
