import { asUtf8, decoderOf, digestOf, inOrder, utf8 } from './bytes.mjs';
import { Lines } from './lines.mjs';
import { canonicalSetval, columnsOf, fieldsOf, labelOf, nameOf } from './postgres-names.mjs';
import { canonical } from './postgres-wording.mjs';
import { Rows } from './rows.mjs';
import { Statements } from './statements.mjs';

const BACKSLASH = 92;
const DOT = 46;
const LOWRITE = 'SELECT pg_catalog.lowrite(';
/** What stands in place of a table's name for the bytes of large objects. */
export const LARGE_OBJECTS = 'large objects';
const COPY = /^COPY\s+([\s\S]+?)\s+FROM\s+stdin(?: WITH \(FREEZE\))?$/i;
const SHOWN_CHARACTERS = 4_000;

/**
 * @typedef {import('./reading.ts').ReadingOptions} ReadingOptions
 * @typedef {import('./reading.ts').ReadingLine} ReadingLine
 */

/** Reads a dump of PostgreSQL's as it passes: sums its rows by table, and hands on its definitions. */
export class PostgresReader {
  #lines = new Lines(
    {
      line: (line) => this.#line(line),
      mayCome: () => this.#rows.table !== undefined && !this.#needsWholeRows(),
      part: (part) => this.#rows.addPart(part),
      lastPart: (part) => this.#rows.endParts(part),
    },
    0,
  );
  #statements = new Statements((text) => this.#statement(text));
  /**
   * Of definitions, which come in the encoding of their dump; a folder has two. Undefined where the dump does not say how its text
   * is written, or cannot.
   * @type {ReturnType<typeof decoderOf>}
   */
  #decoder;
  #label = '';
  #tablespace = '';
  #accessMethod = '';
  #largeObject = '';
  /** As whom a right is granted, where that is not the owner. */
  #role = '';
  /** @type {number[] | undefined} */
  #order;
  #rows;
  #options;
  #report;

  /**
   * @param {ReadingOptions} options
   * @param {(line: ReadingLine) => void} report
   */
  constructor(options, report) {
    this.#options = options;
    this.#report = report;
    this.#rows = new Rows(options, report, fieldsOf);
  }

  /** @param {Buffer} chunk */
  feed(chunk) {
    this.#lines.feed(chunk);
  }

  /** Says what there was. */
  end() {
    this.#lines.end();
    this.#rows.say(this.#statements.isIdle);
  }

  /** Columns in another order can only be set right, and keys only be read, where the row is at hand. */
  #needsWholeRows() {
    return this.#order !== undefined || this.#rows.areLookedForByKey;
  }

  /** @param {Buffer} line without its line break */
  #line(line) {
    if (this.#rows.table === undefined) {
      this.#text(asUtf8(line, this.#decoder).toString('latin1'));
      return;
    }
    if (line.length === 2 && line[0] === BACKSLASH && line[1] === DOT) {
      this.#rows.end();
      return;
    }
    this.#rows.add(this.#order === undefined ? line : inOrder(line, this.#order));
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
        // in their order: the position belongs to the row
        this.#rows.addUnder(LARGE_OBJECTS, Buffer.from(`${this.#largeObject} ${line}`, 'latin1'));
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
    const role = /^(?:RE)?SET SESSION AUTHORIZATION ?([\s\S]*)$/.exec(text)?.[1];
    if (role !== undefined) this.#role = role === 'DEFAULT' ? '' : role;
    const encoding = /^SET client_encoding = '(\w+)'/.exec(text)?.[1];
    if (encoding !== undefined) this.#decoder = decoderOf(encoding);
    const object = /^SELECT pg_catalog\.lo_open\('(\d+)'/.exec(text)?.[1];
    if (object !== undefined) this.#largeObject = object;
    if (IGNORED.test(text)) return;
    const key = /^ALTER TABLE (?:ONLY )?([\s\S]+?)\s+ADD CONSTRAINT [\s\S]+? PRIMARY KEY (\([\s\S]*\))/.exec(text);
    if (key)
      this.#report({
        kind: 'key',
        table: nameOf(key[1] ?? '').name,
        columns: columnsOf(withoutOverlaps(key[2] ?? '')),
      });
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
    if (this.#role !== '' && /^(GRANT|REVOKE) /.test(text)) context.push(`-- as ${this.#role}`);
    if (isPlain && !['', 'heap'].includes(this.#accessMethod)) context.push(`-- access method ${this.#accessMethod}`);
    return context;
  }

  /** @param {string} copied a table and its columns, as COPY has them */
  #begin(copied) {
    const { name, rest } = nameOf(copied);
    const columns = columnsOf(rest);
    const table = this.#options.through?.[name] ?? name;
    const known = this.#rows.columns.get(table);
    const wanted = this.#options.columns?.[table] ?? known ?? columns;
    if (!known) this.#rows.columns.set(table, columns.length === wanted.length ? wanted : columns);
    const order = wanted.map((column) => columns.indexOf(column));
    const isOther = order.some((from, to) => from !== to) && !order.includes(-1) && order.length === columns.length;
    this.#order = isOther ? order : undefined;
    this.#rows.begin(table);
  }
}

/** What sets up the session, and what psql says nothing of. */
const IGNORED = /^(SET |RESET |BEGIN$|COMMIT$|SELECT pg_catalog\.(set_config|lo_open|lo_close|lowrite)\(|DROP )/;

/**
 * A key that holds for a time ends in a column of ranges (PostgreSQL 18).
 * @param {string} key
 */
const withoutOverlaps = (key) => key.replace(/ WITHOUT OVERLAPS(?=\))/, '');
