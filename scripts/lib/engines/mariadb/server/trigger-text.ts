/** Stands for the table in a trigger's statement. No trigger can hold it. */
export const TABLE = '\0TABLE\0';

const SPACE = String.raw`(?:\s|/\*(?!!).*?\*/|--\s[^\n]*\n|#[^\n]*\n)`;
const WORD = '(?:`(?:[^`]|``)*`|"(?:[^"]|"")*"|[^\\s.`"(/]+)';
const ACCOUNT = String.raw`(?:${'`(?:[^`]|``)*`'}|'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s@'"${'`'}]+)`;
const HEAD = new RegExp(
  `^${SPACE}*create${SPACE}+(?:or${SPACE}+replace${SPACE}+)?(?:definer${SPACE}*=${SPACE}*${ACCOUNT}(?:@${ACCOUNT})?${SPACE}+)?` +
    `trigger${SPACE}+(?:if${SPACE}+not${SPACE}+exists${SPACE}+)?(?:${WORD}${SPACE}*\\.${SPACE}*)?(?<moment>${WORD}${SPACE}+(?:before|after)${SPACE}+.*?${SPACE}on${SPACE}+)` +
    `(?:${WORD}${SPACE}*\\.${SPACE}*)?${WORD}(?<rest>${SPACE}+for${SPACE}+each${SPACE}+row\\b.*)$`,
  'is',
);

/**
 * What its author wrote of a trigger, for another table of any database. information_schema has the body in other words: its
 * texts in utf8, whatever character set they say that they are in.
 *
 * @param original as SHOW CREATE TRIGGER has it
 * @param definer as SQL has it
 * @returns undefined for a form that is not known
 */
export function triggerFor(original: string, definer: string): string | undefined {
  const { moment, rest } = HEAD.exec(original)?.groups ?? {};
  return moment === undefined || rest === undefined
    ? undefined
    : `create definer=${definer} trigger ${moment}${TABLE}${rest}`;
}
