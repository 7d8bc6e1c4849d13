/** Values that the server quotes in an error, which are a row's. Names of columns and keys stay. */
const SAID = "((?:Duplicate entry|value:?|near|argument|string:?|WKT:?|row) )'.*'";
const VALUES = [new RegExp(`${SAID}(?= for (?:key|column|function)| at (?:line|row))`), new RegExp(`${SAID}(?=\\.?$)`)];

/**
 * What the mariadb client says when a statement fails: the statement first, between lines of dashes, with the rows in
 * it, then the error. Rows of an encrypted backup have no place in logs, records and messages: of the statement its first words
 * stay, and of the error all but values.
 *
 * @returns what a stage's onLine is
 */
export function withoutRows(): (line: string) => boolean | string {
  let isStatement = false;
  let isFirst = false;
  return (line) => {
    if (/^-{10,}$/.test(line)) {
      isStatement = !isStatement;
      isFirst = isStatement;
      return true;
    }
    if (isStatement) {
      const words = isFirst && /^[A-Z ]{1,40}(?:`(?:[^`]|``){1,64}`)?/i.exec(line)?.[0].trim();
      isFirst = false;
      return words ? `${words} …` : true;
    }
    const value = VALUES.find((pattern) => pattern.test(line));
    return value ? line.replace(value, "$1'…'") : line;
  };
}
