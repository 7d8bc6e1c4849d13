import { createHash } from 'node:crypto';
import { Lines } from './lines.mjs';
import { canonical, fieldsOf, isEvent, labelOf, openEnded, shown, withoutPeriod } from './mariadb-names.mjs';
import { Rows } from './rows.mjs';

const OPENING = 40;
const SHOWN_CHARACTERS = 400;
const NAME = '`((?:[^`]|``)*)`';
const CAPITAL_I = 73;
/** The names of as many columns as a table can have; the row behind them may be longer than any string. */
const HEAD_BYTES = 1 << 21;
const COLUMN = `(?:${NAME}|row_start|row_end)`;
const NAMING = new RegExp(`^INSERT INTO ${NAME} \\(${COLUMN}(?:, ${COLUMN})*\\) VALUES (?=\\()`);

/** @param {string} head INSERT INTO `table` (`column`, row_start, row_end) VALUES */
const columnsIn = (head) =>
  [...head.matchAll(new RegExp(`${NAME}|\\b(row_start|row_end)\\b`, 'g'))]
    .slice(1)
    .map(([, name, unquoted]) => name?.replaceAll('``', '`') ?? unquoted ?? '');

/** @param {string} text with names in backquotes */
const namesIn = (text) => [...text.matchAll(new RegExp(NAME, 'g'))].map(([, name = '']) => name.replaceAll('``', '`'));

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
      mayCome: ([first]) =>
        this.#rows.table !== undefined && first === OPENING && !this.#rows.areLookedForByKey && !this.#asCompared,
      part: (part) => this.#rows.addPart(part),
      lastPart: (part) => this.#rows.endParts(withoutComma(part)),
    },
    1,
  );
  #isInCode = false;
  /** The columns in which rows of a table begin and end, where they are not hidden. @type {Map<string, { start?: string, end?: string }>} */
  #periods = new Map();
  /** Whether the rows that follow come with their history. */
  #isHistoric = false;
  /** What is compared of a row, where that is not all of it. @type {((row: Buffer) => Buffer) | undefined} */
  #asCompared;
  /** What code keeps of the session that made it. */
  #session = new Map([
    ['sql_mode', ''],
    ['character_set_client', ''],
    ['collation_connection', ''],
    ['time_zone', ''],
  ]);
  /** How many triggers a moment of a table has had so far: they fire in this order. @type {Map<string, number>} */
  #triggers = new Map();
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
    if (this.#rows.table !== undefined && line[0] === OPENING) this.#add(withoutComma(line));
    else if (this.#rows.table === undefined || !this.#namingRow(this.#rows.table, line))
      this.#text(line.toString('utf8'));
  }

  /**
   * Where a statement names its columns, its first row stands behind them.
   * @param {string} table
   * @param {Buffer} line
   */
  #namingRow(table, line) {
    const head = line[0] === CAPITAL_I && NAMING.exec(line.toString('latin1', 0, HEAD_BYTES))?.[0];
    if (!head) return false;
    this.#rows.columns.set(table, columnsIn(Buffer.from(head, 'latin1').toString('utf8')));
    this.#notePeriod(table);
    this.#add(withoutComma(line.subarray(head.length)));
    return true;
  }

  /** @param {Buffer} row */
  #add(row) {
    this.#rows.add(this.#asCompared ? this.#asCompared(row) : row);
  }

  /**
   * Of rows with their history, where they end; of others neither that nor where they begin.
   * @param {string} table
   */
  #notePeriod(table) {
    const columns = this.#rows.columns.get(table) ?? [];
    const { start, end } = this.#periods.get(table) ?? {};
    this.#asCompared = this.#isHistoric
      ? openEnded(columns, end ?? 'row_end', this.#options.openEnd)
      : withoutPeriod(columns, [start ?? [], end ?? []].flat());
  }

  /** @param {string} line */
  #text(line) {
    // within a statement it is a line of a text
    const isBetween = this.#statement.length === 0;
    if (line === 'DELIMITER ;;' && isBetween) this.#isInCode = true;
    else if (line === 'DELIMITER ;' && isBetween) this.#isInCode = false;
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
      this.#notePeriod(shown(locked));
      return;
    }
    if (text === 'UNLOCK TABLES') {
      this.#rows.end();
      this.#isHistoric = false;
      this.#asCompared = undefined;
      return;
    }
    const inserted = new RegExp(`^INSERT INTO ${NAME} (?:\\((.*)\\) )?VALUES$`).exec(text);
    if (inserted) {
      const columns = namesIn(inserted[2] ?? '');
      if (this.#rows.table !== undefined && columns.length > 0) this.#rows.columns.set(this.#rows.table, columns);
      return;
    }
    if (HISTORIC.test(text)) this.#isHistoric = true;
    const [, setting = '', value = ''] = SESSION.exec(text) ?? [];
    if (setting !== '' && !value.startsWith('@')) this.#session.set(setting, value);
    if (IGNORED.test(text)) return;
    this.#noteKey(text);
    const definition = canonical(text, this.#options);
    const whole = [...this.#context(text, definition), definition].join('\n');
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
   * What code keeps of its session, and its place among others.
   * @param {string} text
   * @param {string} definition
   */
  #context(text, definition) {
    if (!/^\/\*!\d+ CREATE/.test(text) && !/^CREATE .*(FUNCTION|PROCEDURE|PACKAGE)\b/.test(text)) return [];
    const context = [...this.#session].filter(([name]) => name !== 'time_zone' || isEvent(text));
    const [, moment, on] = /\btrigger \S+ ((?:before|after) .*?) on (.*?) for each row/s.exec(definition) ?? [];
    const table = on === undefined ? undefined : `${moment} on ${on}`;
    const place = (this.#triggers.get(table ?? '') ?? 0) + 1;
    if (table !== undefined) this.#triggers.set(table, place);
    return [
      ...context.map(([name, value]) => `-- ${name} ${value}`),
      ...(table === undefined ? [] : [`-- number ${place} of the triggers of its table and moment`]),
    ];
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
    /** @param {string} what */
    const column = (what) =>
      lines.map((line) => new RegExp(`^  ${NAME} .* GENERATED ALWAYS AS ROW ${what}\\b`).exec(line)?.[1]).find(Boolean);
    const [start, end] = ['START', 'END'].map((what) => column(what)?.replaceAll('``', '`'));
    this.#periods.set(table, { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) });
    const names = namesIn(key ?? '');
    if (names.length > 0) this.#report({ kind: 'key', table, columns: names });
  }
}

/**
 * A row's line ends with the comma or the semicolon after it, which is none of it.
 * @param {Buffer} line
 */
const withoutComma = (line) => line.subarray(0, -1);

const SESSION = /^\/\*!\d+ SET (sql_mode|character_set_client|collation_connection|time_zone) += (.*?) \*\/ *$/;

const HISTORIC = /^\/\*M!\d+ SET @old_system_versioning_insert_history=/;

/** What sets up the session, and what makes room for what follows. */
const IGNORED =
  /^(\/\*M?!\d+ )?(SET |set |SELECT |select |DROP |\/\*!\d+ DROP |USE |commit$|COMMIT$|ALTER TABLE `(?:[^`]|``)*` (DISABLE|ENABLE) KEYS)/;
