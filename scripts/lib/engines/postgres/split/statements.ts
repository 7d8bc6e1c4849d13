import { OperatorError } from '../../../errors.ts';

/** What SQL is made of, as far as the end of a statement depends on it. `$` is part of a name but not its beginning. */
const TOKEN =
  /(?<space>\s+)|(?<comment>--[^\n]*)|(?<block>\/\*)|(?<escapes>[eE]'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*')|(?<text>'[^']*(?:''[^']*)*')|(?<name>"[^"]*(?:""[^"]*)*")|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<end>;)|(?<command>\\[^\n]*)|(?<other>[\s\S])/y;

/** psql's own commands that a dump of pg_dump's has: they keep psql from running any other. */
const HARMLESS_COMMAND = /^\\(un)?restrict \S+$/;

/**
 * The statements of a script without rows, as psql would send them: each as it stands, without what comes before it
 * and without its semicolon.
 *
 * @throws OperatorError DUMP_INCOMPLETE for a script that ends within a statement, or has a command for psql
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start: number | undefined;
  const words: string[] = [];
  let depth = 0;
  let brackets = 0;
  let before = '';
  for (let at = 0; at < script.length; ) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(script)?.groups ?? {};
    let next = TOKEN.lastIndex;
    if (groups.block !== undefined) next = endOfComment(script, next);
    if (groups.dollar !== undefined) next = endOfQuote(script, groups.dollar, next);
    const isCode = groups.space === undefined && groups.comment === undefined && groups.block === undefined;
    if (groups.other === "'" || groups.other === '"') throw broken('it ends within a text');
    if (groups.command !== undefined) {
      if (start !== undefined || !HARMLESS_COMMAND.test(groups.command))
        throw broken(`it has ${groups.command.slice(0, 40)}`);
    } else if (groups.end !== undefined && depth === 0 && brackets === 0) {
      if (start !== undefined) statements.push(script.slice(start, at));
      start = undefined;
      words.length = 0;
    } else if (isCode) {
      start ??= at;
      // the commands of a rule stand between brackets
      if (groups.other === '(') brackets += 1;
      if (groups.other === ')' && brackets > 0) brackets -= 1;
      const word = groups.word?.toLowerCase() ?? '';
      if (word !== '') depth = depthAfter({ word, before, isBetweenBrackets: brackets > 0 }, words, depth);
      before = word;
    }
    at = next;
  }
  if (start !== undefined) throw broken('it ends within a statement');
  return statements;
}

interface Word {
  readonly word: string;
  /** The word right before it; empty for anything else. */
  readonly before: string;
  readonly isBetweenBrackets: boolean;
}

/**
 * The body of a function in SQL's own syntax (BEGIN ATOMIC … END) has semicolons that end nothing. BEGIN alone may be anybody's
 * name; CASE and END are quoted where they are.
 */
function depthAfter({ word, before, isBetweenBrackets }: Word, words: string[], depth: number): number {
  if (words.length < 4) words.push(word);
  const [create, ...rest] = words;
  const isRoutine = create === 'create' && rest.some((w) => w === 'function' || w === 'procedure');
  if (!isRoutine) return depth;
  if (depth === 0) return word === 'atomic' && before === 'begin' && !isBetweenBrackets ? 1 : 0;
  if (word === 'case') return depth + 1;
  return word === 'end' ? depth - 1 : depth;
}

function endOfComment(script: string, from: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = from;
  for (let depth = 1; depth > 0; ) {
    const found = edge.exec(script);
    if (!found) throw broken('it ends within a comment');
    depth += found[0] === '/*' ? 1 : -1;
  }
  return edge.lastIndex;
}

function endOfQuote(script: string, tag: string, from: number): number {
  const end = script.indexOf(tag, from);
  if (end < 0) throw broken('it ends within a text');
  return end + tag.length;
}

function broken(how: string): OperatorError {
  return new OperatorError('DUMP_INCOMPLETE', `what the dump builds upon its tables cannot be read: ${how}`, {
    hint: 'It can still be restored by hand, as docs/restore.md shows, once you know what changed it.',
  });
}
