/** What a name has to be like, as regular expressions of the server's. */
export interface NamePattern {
  readonly name: string;
  /** Undefined for a name that is looked for where the search path leads. */
  readonly schema?: string;
}

/**
 * A pattern as psql and pg_dump have it: letters are folded to lower case, `*` is any sequence of characters and `?` any one,
 * a dot separates schema and name; in double quotes all of it is as it stands.
 * https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
 *
 * @throws Error saying what is wrong with it
 */
export function parsePattern(text: string): NamePattern {
  const parts: string[] = [''];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i] ?? '';
    const at = parts.length - 1;
    if (character === '"') {
      if (quoted && text[i + 1] === '"') {
        parts[at] += '"';
        i += 1;
      } else quoted = !quoted;
    } else if (quoted) parts[at] += escaped(character);
    else if (character === '.') parts.push('');
    else if (character === '*') parts[at] += '.*';
    else if (character === '?') parts[at] += '.';
    // what else is special in a regular expression is so here too, but for the end of a line
    else parts[at] += character === '$' ? '\\$' : character.toLowerCase();
  }
  if (quoted) throw new Error(`the pattern ${text} lacks a closing "`);
  if (parts.length > 2)
    throw new Error(`the pattern ${text} has more than one dot outside of quotes; write schema.table`);
  if (parts.some((part) => part === '')) throw new Error(`the pattern ${text} has an empty part`);
  const [name = '', schema] = parts.toReversed().map((part) => `^(${part})$`);
  return schema === undefined ? { name } : { name, schema };
}

const escaped = (character: string) => (/[\\^$.|?*+()[\]{}]/.test(character) ? `\\${character}` : character);
