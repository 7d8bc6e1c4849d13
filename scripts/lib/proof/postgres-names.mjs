// How PostgreSQL's dumps spell names, and what of a definition is known to be spelled otherwise once it was loaded. Bytes
// are characters here (latin1); names are handed on as UTF-8.
import { partsOf, startOf } from './bytes.mjs';

const PART = /^\s*(?:U&"((?:[^"]|"")*)"|"((?:[^"]|"")*)"|([^\s."(),]+))\s*(\.)?/;

/**
 * A qualified name at the beginning of a text, and what comes after it.
 * @param {string} text
 * @returns {{ name: string, rest: string }} the name quoted where SQL needs it, whatever its spelling
 */
export function nameOf(text) {
  const parts = [];
  let rest = text;
  for (;;) {
    const found = PART.exec(rest);
    if (!found) break;
    rest = rest.slice(found[0].length);
    parts.push(partOf(found));
    if (found[4] === undefined) break;
  }
  return { name: parts.map(quoted).join('.'), rest };
}

/**
 * The names between brackets.
 * @param {string} text
 */
export function columnsOf(text) {
  const columns = [];
  let rest = text.replace(/^\s*\(/, '');
  for (let found = PART.exec(rest); found; found = PART.exec(rest)) {
    columns.push(partOf(found));
    rest = rest.slice(found[0].length).replace(/^\s*,/, '');
  }
  return columns;
}

/** @param {string} line a comment of pg_dump's over a statement */
export function labelOf(line) {
  const found = /^-- (?:Data for )?Name: (.*?); Type: (.*?); Schema: (.*?); Owner: /.exec(line);
  if (!found) return undefined;
  const [, name = '', type = '', schema = ''] = found;
  return `${type} ${schema === '-' ? '' : `${schema}.`}${name}`;
}

/** @param {string} text */
export function canonicalSetval(text) {
  const found = /^SELECT pg_catalog\.setval\('((?:[^']|'')*)', (-?\d+), (\w+)\)$/.exec(text);
  if (!found) return text;
  return `${nameOf((found[1] ?? '').replaceAll("''", "'")).name} = ${found[2]}, ${found[3] === 'true' ? 'called' : 'not called'}`;
}

/** @param {RegExpExecArray} found */
function partOf([, escaped, inQuotes, plain = '']) {
  if (escaped !== undefined) {
    return escaped
      .replaceAll('""', '"')
      .replaceAll(/\\\+([0-9a-f]{6})|\\([0-9a-f]{4})|\\(\\)/gi, (_, six, four, backslash) =>
        backslash ? '\\' : String.fromCodePoint(Number.parseInt(six ?? four, 16)),
      );
  }
  const name = inQuotes === undefined ? plain : inQuotes.replaceAll('""', '"');
  return Buffer.from(name, 'latin1').toString('utf8');
}

/** @param {string} name */
const quoted = (name) => (/^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

/**
 * The fields of a row, as COPY writes them.
 * @param {Buffer} row
 */
export function fieldsOf(row) {
  return partsOf(row).map(startOf);
}
