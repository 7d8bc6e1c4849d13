import { createHash } from 'node:crypto';
import { Lines } from './lines.mjs';
import { canonical, fieldsOf, labelOf, shown } from './mariadb-names.mjs';
import { Rows } from './rows.mjs';

const OPENING = 40;
const SHOWN_CHARACTERS = 400;
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
  #lines = new Lines(
    {
      line: (line) => this.#line(line),
      mayCome: ([first]) => this.#rows.table !== undefined && first === OPENING && !this.#rows.areLookedForByKey,
      part: (part) => this.#rows.addPart(part),
      lastPart: (part) => this.#rows.endParts(withoutComma(part)),
    },
    1,
  );
  #isInCode = false;
  /** What code keeps of the session that made it. */
  #session = new Map([
    ['sql_mode', ''],
    ['character_set_client', ''],
    ['collation_connection', ''],
  ]);
  /** @type {string[]} */
  #statement = [];
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
    this.#rows.say(this.#statement.length === 0);
  }

  /** @param {Buffer} line without its line break */
  #line(line) {
    if (this.#rows.table !== undefined && line[0] === OPENING) this.#rows.add(withoutComma(line));
    else this.#text(line.toString('utf8'));
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
      this.#rows.begin(shown(locked));
      return;
    }
    if (text === 'UNLOCK TABLES') {
      this.#rows.end();
      return;
    }
    const inserted = new RegExp(`^INSERT INTO ${NAME} (?:\\((.*)\\) )?VALUES$`).exec(text);
    if (inserted) {
      const columns = [...(inserted[2] ?? '').matchAll(new RegExp(NAME, 'g'))].map(([, name = '']) => name);
      if (this.#rows.table !== undefined && columns.length > 0) this.#rows.columns.set(this.#rows.table, columns);
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
    this.#rows.columns.set(table, columns);
    const key = lines.map((line) => /^ {2}PRIMARY KEY \((.*)\)/.exec(line)?.[1]).find((found) => found !== undefined);
    const names = [...(key ?? '').matchAll(new RegExp(NAME, 'g'))].map(([, name = '']) => name.replaceAll('``', '`'));
    if (names.length > 0) this.#report({ kind: 'key', table, columns: names });
  }
}

/**
 * A row's line ends with the comma or the semicolon after it, which is none of it.
 * @param {Buffer} line
 */
const withoutComma = (line) => line.subarray(0, -1);

const SESSION = /^\/\*!\d+ SET (sql_mode|character_set_client|collation_connection) += (.*?) \*\/ *$/;

/** What sets up the session, and what makes room for what follows. */
const IGNORED =
  /^(\/\*M?!\d+ )?(SET |set |SELECT |select |DROP |\/\*!\d+ DROP |USE |commit$|ALTER TABLE `(?:[^`]|``)*` (DISABLE|ENABLE) KEYS)/;
