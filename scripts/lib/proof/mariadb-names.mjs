// How mariadb-dump spells names, values and definitions, and what of them is worded otherwise in a second dump.

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
  return found ? `${found[1]?.toLowerCase()} ${shown((found[2] ?? '').slice(1, -1))}` : plain.slice(0, 60);
}

/**
 * A definition in the words that a second dump has: the staging database's name stands for the source's, a trigger's head is
 * made anew from its parts, events do not run in a staging database, and a rehearsal's server has no keys.
 * @param {string} text
 * @param {Readonly<Record<string, string>>} renamed
 */
export function canonical(text, renamed) {
  let result = text;
  for (const [from, to] of Object.entries(renamed))
    result = result.replaceAll(`\`${from.replaceAll('`', '``')}\``, `\`${to.replaceAll('`', '``')}\``);
  return result
    .replaceAll(/(?<=\/\*!50003 )trigger .*?for each row\s+/gis, plainHead)
    .replace(/(?<= ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE ON (?:SLAVE|REPLICA)|DISABLE)\b/, '')
    .replaceAll(/^(\) ENGINE=.*)$/gm, (options) => options.replaceAll(/ `?ENCRYPT(?:ED|ION_KEY_ID)`?=\S+/gi, ''));
}

/** @param {string} head */
const plainHead = (head) =>
  head
    .replaceAll(/\/\*.*?\*\/|(`(?:[^`]|``)*`|\w+)\.(?=[`\w])|`/gs, '')
    .replaceAll(/\s+/g, ' ')
    .toLowerCase();

/**
 * The values of a row: numbers, NULL, hexadecimal, and texts, which may hold commas.
 * @param {Buffer} row `(1,'a',NULL)`
 */
export function fieldsOf(row) {
  const text = row.toString('utf8').slice(1, -1);
  return [...text.matchAll(/((?:'(?:[^'\\]|\\[\s\S]|'')*'|[^',])*)(?:,|$)/g)]
    .map(([, value = '']) => value)
    .slice(0, -1);
}
