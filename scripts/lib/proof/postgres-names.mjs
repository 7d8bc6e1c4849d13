// How PostgreSQL's dumps spell names, and what of a definition is known to be spelled otherwise once it was loaded. Bytes
// are characters here (latin1); names are handed on as UTF-8.

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
  return row.toString('utf8').split('\t');
}

/**
 * A definition in the words that its second dump has. PostgreSQL writes a list of an `IN` with casts around the array the
 * first time, and with casts around its members once it has been loaded.
 * @param {string} text
 */
export function canonical(text) {
  let result = text;
  for (let from = 0; ; ) {
    const start = result.indexOf('(ARRAY[', from);
    if (start < 0) return result;
    const end = closing(result, start + 6);
    const cast = end < 0 ? null : /^\]\)::([a-z][a-z ]*?)\[\]/.exec(result.slice(end, end + 80));
    if (!cast) {
      from = start + 1;
      continue;
    }
    const members = split(result.slice(start + 7, end)).map((member) => `(${member})::${cast[1]}`);
    result = `${result.slice(0, start)}ARRAY[${members.join(', ')}]${result.slice(end + cast[0].length)}`;
    from = start + 1;
  }
}

/**
 * Where the bracket that opens there is closed; -1 when it is not.
 * @param {string} text
 * @param {number} open
 */
function closing(text, open) {
  let depth = 0;
  for (const { 0: token, index } of text.slice(open).matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[[\]]/g)) {
    if (token === '[') depth += 1;
    if (token === ']') depth -= 1;
    if (depth === 0) return open + index;
  }
  return -1;
}

/**
 * The members of a list.
 * @param {string} text
 */
function split(text) {
  const members = [''];
  let depth = 0;
  for (const [token] of text.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[\s\S]/g)) {
    if ('([{'.includes(token)) depth += 1;
    if (')]}'.includes(token)) depth -= 1;
    if (token === ',' && depth === 0) members.push('');
    else members[members.length - 1] += token;
  }
  return members.map((member) => member.trim());
}
