import { isUtf8 } from 'node:buffer';
import { decoderOf, digestOf, inOrder, utf8 } from './bytes.mjs';
import { canonical, canonicalSetval, columnsOf, fieldsOf, labelOf, nameOf } from './postgres-names.mjs';
import { LONG_ROW_BYTES, RowSums } from './row-sums.mjs';
import { Statements } from './statements.mjs';

const NEWLINE = 10;
const BACKSLASH = 92;
const DOT = 46;
const LOWRITE = 'SELECT pg_catalog.lowrite(';
/** What stands in place of a table's name for the bytes of large objects. */
export const LARGE_OBJECTS = 'large objects';
const COPY = /^COPY\s+([\s\S]+?)\s+FROM\s+stdin$/i;
const SHOWN_CHARACTERS = 4_000;
/** Of a row that is looked for, so much is kept. */
const KEPT_ROW_BYTES = 1 << 16;

/**
 * @typedef {import('./reading.ts').ReadingOptions} ReadingOptions
 * @typedef {import('./reading.ts').ReadingLine} ReadingLine
 */

/** Reads a dump of PostgreSQL's as it passes: sums its rows by table, and hands on its definitions. */
export class PostgresReader {
  #sums = new RowSums();
  /** @type {Map<string, readonly string[]>} */
  #columns = new Map();
  #statements = new Statements((text) => this.#statement(text));
  #decoder = decoderOf('LATIN1');
  #label = '';
  #tablespace = '';
  #accessMethod = '';
  #largeObject = '';
  /** Of the row under way: how much of it has come. */
  #partBytes = 0;
  /** @type {Buffer[]} */
  #rest = [];
  #restBytes = 0;
  /**
   * Undefined outside a table's rows.
   * @type {string | undefined}
   */
  #table;
  /** @type {number[] | undefined} */
  #order;
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
    const isWhole = this.#table === undefined && this.#statements.isIdle;
    for (const { name, rows, sum } of this.#sums.tables())
      this.#report({ kind: 'table', name, rows, sum, columns: this.#columns.get(name) ?? [] });
    if (!this.#options.find) this.#report({ kind: 'buckets', packed: this.#sums.buckets() });
    this.#report({ kind: 'end', isWhole });
  }

  /**
   * The beginning of a line whose end has not come.
   * @param {Buffer} piece
   */
  #keep(piece) {
    const isLong = this.#partBytes > 0 || this.#restBytes + piece.length > LONG_ROW_BYTES;
    if (this.#table === undefined || !isLong || this.#needsWholeRows()) {
      this.#rest.push(Buffer.from(piece));
      this.#restBytes += piece.length;
      return;
    }
    for (const kept of this.#rest) this.#sums.addPart(kept);
    this.#partBytes += this.#restBytes + piece.length;
    this.#rest = [];
    this.#restBytes = 0;
    this.#sums.addPart(piece);
  }

  /** Columns in another order can only be set right, and keys only be read, where the row is at hand. */
  #needsWholeRows() {
    return this.#order !== undefined || this.#options.find?.key !== undefined;
  }

  /** @param {Buffer} piece */
  #endOfLine(piece) {
    if (this.#partBytes > 0) {
      this.#partBytes = 0;
      this.#sums.endParts(piece);
      this.#found(undefined);
      return;
    }
    const line = Buffer.concat([...this.#rest, piece]);
    this.#rest = [];
    this.#restBytes = 0;
    this.#line(line);
  }

  /** @param {Buffer} line without its line break */
  #line(line) {
    if (this.#table === undefined) {
      this.#text(this.#asUtf8(line).toString('latin1'));
      return;
    }
    if (line.length === 2 && line[0] === BACKSLASH && line[1] === DOT) {
      this.#table = undefined;
      return;
    }
    const row = this.#order === undefined ? line : inOrder(line, this.#order);
    this.#sums.add(row);
    if (this.#options.find) this.#found(row);
  }

  /**
   * Definitions come in the encoding of their dump, of which a folder has two.
   * @param {Buffer} line
   */
  #asUtf8(line) {
    return isUtf8(line) ? line : Buffer.from(this.#decoder.decode(line), 'utf8');
  }

  /** @param {string} line */
  #text(line) {
    if (this.#statements.isIdle) {
      if (line === '') return;
      if (line.startsWith('--')) {
        this.#label = labelOf(line) ?? this.#label;
        return;
      }
      // psql's own commands
      if (line.startsWith('\\')) return;
      if (line.startsWith(LOWRITE)) {
        this.#sums.begin(LARGE_OBJECTS);
        // in their order: the position belongs to the row
        this.#sums.add(Buffer.from(`${this.#largeObject} ${line}`, 'latin1'));
        this.#largeObject = `${this.#largeObject}+`;
        if (this.#largeObject.length > 64) this.#largeObject = digestOf(this.#largeObject);
        return;
      }
    }
    this.#statements.feed(`${line}\n`);
  }

  /** @param {string} text */
  #statement(text) {
    const copied = COPY.exec(text)?.[1];
    if (copied !== undefined) {
      this.#begin(copied);
      return;
    }
    const [, setting, value = ''] =
      /^SET (default_tablespace|default_table_access_method) = ([\s\S]*)$/.exec(text) ?? [];
    if (setting === 'default_tablespace') this.#tablespace = value.replace(/^(''|"")$/, '');
    if (setting === 'default_table_access_method') this.#accessMethod = value;
    const encoding = /^SET client_encoding = '(\w+)'/.exec(text)?.[1];
    if (encoding !== undefined) this.#decoder = decoderOf(encoding);
    const object = /^SELECT pg_catalog\.lo_open\('(\d+)'/.exec(text)?.[1];
    if (object !== undefined) this.#largeObject = object;
    if (IGNORED.test(text)) return;
    const key = /^ALTER TABLE (?:ONLY )?([\s\S]+?)\s+ADD CONSTRAINT [\s\S]+? PRIMARY KEY (\([\s\S]*\))/.exec(text);
    if (key) this.#report({ kind: 'key', table: nameOf(key[1] ?? '').name, columns: columnsOf(key[2] ?? '') });
    const whole = [...this.#context(text), canonical(text)].join('\n');
    const isSequence = text.startsWith('SELECT pg_catalog.setval(');
    const shown = isSequence ? canonicalSetval(text) : whole;
    this.#report({
      kind: 'statement',
      about: isSequence ? 'sequences' : /LARGE OBJECT|\blo_create\b/.test(text) ? 'large objects' : 'definitions',
      object: utf8(isSequence ? shown : this.#label || shown.slice(0, 60)),
      hash: digestOf(shown),
      text: utf8(shown.slice(0, SHOWN_CHARACTERS)),
    });
  }

  /**
   * What was set for the statement, as far as it changes what it makes.
   * @param {string} text
   */
  #context(text) {
    const context = [];
    const isStored = /^CREATE (UNLOGGED |FOREIGN )?TABLE|^CREATE MATERIALIZED VIEW/.test(text);
    const isIndex = /^CREATE (UNIQUE )?INDEX|^ALTER TABLE (ONLY )?\S[\s\S]*\sADD CONSTRAINT/.test(text);
    if ((isStored || isIndex) && this.#tablespace !== '') context.push(`-- tablespace ${this.#tablespace}`);
    const isPlain = isStored && !/\nPARTITION BY /.test(text) && !text.startsWith('CREATE FOREIGN');
    if (isPlain && !['', 'heap'].includes(this.#accessMethod)) context.push(`-- access method ${this.#accessMethod}`);
    return context;
  }

  /** @param {string} copied a table and its columns, as COPY has them */
  #begin(copied) {
    const { name, rest } = nameOf(copied);
    const columns = columnsOf(rest);
    const table = this.#options.through?.[name] ?? name;
    const known = this.#columns.get(table);
    const wanted = this.#options.columns?.[table] ?? known ?? columns;
    if (!known) this.#columns.set(table, columns.length === wanted.length ? wanted : columns);
    const order = wanted.map((column) => columns.indexOf(column));
    const isOther = order.some((from, to) => from !== to) && !order.includes(-1) && order.length === columns.length;
    this.#order = isOther ? order : undefined;
    this.#table = table;
    this.#sums.begin(table);
  }

  /**
   * Hands on the row that has just been added where it is one that is looked for.
   * @param {Buffer | undefined} row undefined for one that came in parts
   */
  #found(row) {
    const { find } = this.#options;
    if (!find || this.#table !== find.table) return;
    if (find.key !== undefined) {
      const fields = row ? fieldsOf(row) : [];
      if (!find.key.every(({ at, value }) => fields[at] === value)) return;
    } else if (!find.buckets.includes(this.#sums.bucket)) return;
    this.#report({
      kind: 'row',
      hash: this.#sums.hash,
      position: this.#sums.rows,
      fields: row && row.length <= KEPT_ROW_BYTES ? fieldsOf(row) : undefined,
    });
  }
}

/** What sets up the session, and what psql says nothing of. */
const IGNORED = /^(SET |RESET |BEGIN$|COMMIT$|SELECT pg_catalog\.(set_config|lo_open|lo_close|lowrite)\(|DROP )/;
