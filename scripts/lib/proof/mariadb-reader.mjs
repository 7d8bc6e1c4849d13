import { createHash } from 'node:crypto';
import { canonical, fieldsOf, labelOf, shown } from './mariadb-names.mjs';
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
  /** What code keeps of the session that made it. */
  #session = new Map([
    ['sql_mode', ''],
    ['character_set_client', ''],
    ['collation_connection', ''],
  ]);
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
    else if (this.#statement.length === 0 && /^$|^--|^\/\*M?!999999/.test(line)) return;
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
    const [, setting = '', value = ''] = SESSION.exec(text) ?? [];
    if (setting !== '' && !value.startsWith('@')) this.#session.set(setting, value);
    if (IGNORED.test(text)) return;
    this.#noteKey(text);
    const isCode = /^\/\*!\d+ CREATE/.test(text) || /^CREATE .*(FUNCTION|PROCEDURE|PACKAGE)\b/.test(text);
    const context = isCode ? [...this.#session].map(([name, value]) => `-- ${name} ${value}`) : [];
    const whole = [...context, canonical(text, this.#options.renamed ?? {})].join('\n');
    const [, sequence, standsAt] = new RegExp(`SETVAL\\(${NAME}, ([^)]*)\\)`, 'i').exec(text) ?? [];
    this.#report({
      kind: 'statement',
      about: sequence === undefined ? 'definitions' : 'sequences',
      object: sequence === undefined ? labelOf(whole) : `${shown(sequence)} = ${standsAt}`,
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

const SESSION = /^\/\*!\d+ SET (sql_mode|character_set_client|collation_connection) += (.*?) \*\/ *$/;

/** What sets up the session, and what makes room for what follows. */
const IGNORED =
  /^(\/\*M?!\d+ )?(SET |set |SELECT |select |DROP |\/\*!\d+ DROP |USE |commit$|ALTER TABLE `(?:[^`]|``)*` (DISABLE|ENABLE) KEYS)/;
