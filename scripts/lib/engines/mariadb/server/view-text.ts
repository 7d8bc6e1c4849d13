/** What a view's text is made of, as the server writes it: strings, chains of quoted names, and everything else. */
const TOKEN = /'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`(?:\.`(?:[^`]|``)*`)*|[^'`]+|./gs;
const PART = /`(?:[^`]|``)*`/g;

/**
 * A view's text for another database. Of a view whose definer may not read its tables the server writes columns with
 * their database, and so it does of functions that were called with theirs, and of every sequence; all of these then fit that
 * database alone.
 *
 * @param sql as SHOW CREATE VIEW has it for a session in the database `from`
 */
export function requalify(sql: string, from: string, to: string): string {
  if (from === to) return sql;
  const [old, its] = [from, to].map((name) => `\`${name.replaceAll('`', '``')}\``);
  const tokens = sql.match(TOKEN) ?? [];
  return tokens
    .map((token, i) => {
      if (!token.startsWith('`')) return token;
      const parts = token.match(PART) ?? [];
      // database, table and column; or database and function, or table: all are named so where one is of another database
      const isFunction = /^\s*\(/.test(tokens[i + 1] ?? '');
      const isTable = /\b(?:from|join)[\s(]*$/i.test(tokens[i - 1] ?? '');
      const isSequence = /\b(?:nextval|lastval|setval)\(\s*$/i.test(tokens[i - 1] ?? '');
      const hasDatabase = parts.length === 3 || (parts.length === 2 && (isFunction || isTable || isSequence));
      return hasDatabase && parts[0] === old ? [its, ...parts.slice(1)].join('.') : token;
    })
    .join('');
}
