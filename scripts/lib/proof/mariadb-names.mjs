// How mariadb-dump spells names, values and definitions, and what of them is worded otherwise in a second dump.
import { startOf } from './bytes.mjs';

/** @param {string} name in backquotes, without them */
export function shown(name) {
  const plain = name.replaceAll('``', '`');
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(plain) ? plain : `\`${name}\``;
}

/** @param {string} text */
export function labelOf(text) {
  const plain = text
    .replaceAll(/^-- .*\n/gm, '')
    .replaceAll(/\/\*M?!\d+|\*\//g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const found =
    /\b(TABLE|VIEW|TRIGGER|FUNCTION|PROCEDURE|PACKAGE BODY|PACKAGE|EVENT|SEQUENCE|DATABASE) (?:IF NOT EXISTS )?(`(?:[^`]|``)*`)/i.exec(
      plain,
    );
  // its head is written again, without backquotes
  const trigger = /\btrigger (\S+) (?:before|after) /.exec(plain)?.[1];
  if (trigger !== undefined) return `trigger ${shown(trigger)}`;
  return found ? `${found[1]?.toLowerCase()} ${shown((found[2] ?? '').slice(1, -1))}` : plain.slice(0, 60);
}

/** @param {string} text */
export const isEvent = (text) => /^\/\*!50106 CREATE\*\/ .*EVENT\b/m.test(text);

/**
 * A definition in the words that a second dump has: the staging database's name stands for the source's, which views have where
 * their definer may not read what they are of, and not where he may; a trigger's head is made again from its parts, events that run do not do so in a staging database, a rehearsal's server has neither keys nor
 * the folders of the source, and a storage engine that the server lacks is the one that was dumped.
 * @param {string} text
 * @param {Pick<import('./reading.ts').ReadingOptions, 'renamed' | 'engines'>} options
 */
export function canonical(text, { renamed = {}, engines = {} }) {
  let result = text;
  for (const [from, to] of Object.entries(renamed))
    result = result.replaceAll(`\`${from.replaceAll('`', '``')}\``, `\`${to.replaceAll('`', '``')}\``);
  if (/^\/\*!50001 VIEW /m.test(result)) result = withoutDatabase(result, Object.values(renamed));
  const engine = engines[shown(/^CREATE TABLE `((?:[^`]|``)*)`/.exec(text)?.[1] ?? '')];
  return result
    .replaceAll(/(?<=\/\*!50003 )trigger .*?for each row\s+/gis, plainHead)
    .replace(/(?<= ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE ON (?:SLAVE|REPLICA))\b/, ' ENABLE')
    .replaceAll(/^(\) ENGINE=.*)$/gm, (options) =>
      options
        .replaceAll(/ `?ENCRYPT(?:ED|ION_KEY_ID)`?=\S+| (?:DATA|INDEX) DIRECTORY='[^']*'/gi, '')
        .replace(/^\) ENGINE=\w+/, (own) => (engine === undefined ? own : `) ENGINE=${engine}`)),
    );
}

/**
 * @param {string} view
 * @param {readonly string[]} names
 */
function withoutDatabase(view, names) {
  const quoted = names.map((name) => `\`${name.replaceAll('`', '``')}\``);
  return view.replaceAll(/'(?:[^'\\]|\\.|'')*'|(`(?:[^`]|``)*`)\.(?=`)|`(?:[^`]|``)*`/gs, (all, name) =>
    quoted.includes(name) ? '' : all,
  );
}

/** @param {string} head */
const plainHead = (head) =>
  head
    .replaceAll(/\/\*.*?\*\/|(`(?:[^`]|``)*`|\w+)\.(?=[`\w])|`/gs, '')
    .replaceAll(/\s+/g, ' ')
    .toLowerCase();

const QUOTE = 39;
const COMMA = 44;
const BACKSLASH = 92;

/**
 * Where a value ends: at its comma, or where the row does. Step by step, for a row may have hundreds of megabytes, and a regular
 * expression remembers each of its steps.
 * @param {Buffer} row
 * @param {number} from where it begins
 */
function endOfValue(row, from) {
  let isText = false;
  for (let at = from; at < row.length; at += 1) {
    const byte = row[at];
    if (byte === QUOTE) isText = !isText;
    else if (isText && byte === BACKSLASH) at += 1;
    else if (!isText && byte === COMMA) return at;
  }
  return row.length;
}

/**
 * The values of a row: numbers, NULL, hexadecimal, and texts, which may hold commas.
 * @param {Buffer} row `(1,'a',NULL)`
 */
export function fieldsOf(row) {
  const values = row.subarray(1, -1);
  const fields = [];
  for (let at = 0; at < values.length; ) {
    const end = endOfValue(values, at);
    fields.push(startOf(values.subarray(at, end)));
    at = end + 1;
  }
  return fields;
}

/** For servers before MariaDB 11.5, and for the others. */
const LAST_MOMENTS = ['2038-01-19 03:14:07.999999', '2106-02-07 06:28:15.999999'];
/** With its quotes, and one byte more. */
const LAST_MOMENT_BYTES = 29;

/**
 * What puts the same word for the end of a row that has not ended, whichever moment a server writes for it.
 * @param {readonly string[]} columns of the rows
 * @param {string} column in which they end
 * @param {string | undefined} openEnd see ReadingOptions
 * @returns {((row: Buffer) => Buffer) | undefined} undefined when there is no such column
 */
export function openEnded(columns, column, openEnd) {
  const place = columns.indexOf(column);
  if (place < 0) return undefined;
  const ends = (openEnd === undefined ? LAST_MOMENTS : [openEnd]).map((end) => `'${end}'`);
  if (place === columns.length - 1)
    return (row) => {
      const end = ends.find((each) => row.subarray(-each.length - 1).equals(Buffer.from(`${each})`)));
      return end === undefined ? row : Buffer.concat([row.subarray(0, -end.length - 1), Buffer.from("'open')")]);
    };
  return (row) => {
    if (!ends.some((end) => row.includes(end))) return row;
    let from = 1;
    for (let passed = 0; passed < place; passed += 1) from = endOfValue(row, from) + 1;
    const to = endOfValue(row, from);
    if (!ends.includes(row.toString('latin1', from, Math.min(to, from + LAST_MOMENT_BYTES)))) return row;
    return Buffer.concat([row.subarray(0, from), Buffer.from("'open'"), row.subarray(to)]);
  };
}

/**
 * What leaves out when rows began and end, for those that come without their history: a load makes both anew.
 * @param {readonly string[]} columns of the rows
 * @param {readonly string[]} period those of them in which that stands, where they are not hidden
 * @returns {((row: Buffer) => Buffer) | undefined} undefined when there are none
 */
export function withoutPeriod(columns, period) {
  const places = new Set(period.map((column) => columns.indexOf(column)).filter((place) => place >= 0));
  if (places.size === 0) return undefined;
  const last = Math.max(...places);
  return (row) => {
    const parts = [row.subarray(0, 1)];
    let from = 1;
    for (let place = 0; place <= last; place += 1) {
      const to = endOfValue(row, from);
      // behind the last value stands the bracket
      const end = to === row.length ? to - 1 : to;
      parts.push(
        places.has(place) ? Buffer.from("'made by the load'") : row.subarray(from, end),
        row.subarray(end, end + 1),
      );
      from = end + 1;
    }
    return Buffer.concat([...parts, row.subarray(from)]);
  };
}
