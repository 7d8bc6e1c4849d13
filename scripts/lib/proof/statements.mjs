// The statements of a script as they pass, line by line, as psql would send them. Bytes are characters here (latin1): what
// ends a statement is ASCII in every encoding that a server has.

const TOKEN =
  /(?<space>\s+)|(?<comment>--[^\n]*)|(?<block>\/\*)|(?<escapes>[eE]')|(?<text>')|(?<name>")|(?<dollar>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)|(?<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)|(?<end>;)|(?<other>[^\s\-/eE'"$A-Za-z_\x80-\xff;()]+|[\s\S])/y;

/** Takes whole lines, and hands on each statement without its semicolon. */
export class Statements {
  #text = '';
  #at = 0;
  /** Where the statement under way begins; -1 between two. */
  #start = -1;
  /** What the lexer is inside of: the ends that it looks for. */
  #inside = '';
  #commentDepth = 0;
  #brackets = 0;
  #depth = 0;
  /** @type {string[]} */
  #words = [];
  /** The word right before; empty for anything else. */
  #before = '';
  #onStatement;

  /** @param {(text: string) => void} onStatement */
  constructor(onStatement) {
    this.#onStatement = onStatement;
  }

  /** Between two statements, and in no comment. */
  get isIdle() {
    return this.#start < 0 && this.#inside === '';
  }

  /** @param {string} line with its line break */
  feed(line) {
    this.#text += line;
    while (this.#at < this.#text.length) {
      if (this.#inside !== '') {
        if (!this.#leave()) break;
      } else this.#token();
    }
    if (this.#start < 0 && this.#inside === '') {
      this.#text = '';
      this.#at = 0;
    }
  }

  #token() {
    TOKEN.lastIndex = this.#at;
    const groups = TOKEN.exec(this.#text)?.groups ?? {};
    const from = this.#at;
    this.#at = TOKEN.lastIndex;
    if (groups.space !== undefined || groups.comment !== undefined) return;
    if (groups.block !== undefined) {
      this.#inside = '*/';
      this.#commentDepth = 1;
      return;
    }
    if (groups.end !== undefined && this.#brackets === 0 && this.#depth === 0) {
      if (this.#start >= 0) this.#onStatement(this.#text.slice(this.#start, from));
      this.#text = this.#text.slice(this.#at);
      this.#at = 0;
      this.#start = -1;
      this.#words = [];
      return;
    }
    if (this.#start < 0) this.#start = from;
    const before = this.#before;
    this.#before = groups.word?.toLowerCase() ?? '';
    if (groups.escapes !== undefined) this.#inside = "\\'";
    else if (groups.text !== undefined) this.#inside = "'";
    else if (groups.name !== undefined) this.#inside = '"';
    else if (groups.dollar !== undefined) this.#inside = groups.dollar;
    else if (groups.word !== undefined) this.#word(this.#before, before);
    // the commands of a rule stand between brackets
    else if (groups.other === '(') this.#brackets += 1;
    else if (groups.other === ')') this.#brackets = Math.max(0, this.#brackets - 1);
  }

  /** Goes to the end of what the lexer is inside of; false when that has not come yet. */
  #leave() {
    if (this.#inside === '*/') return this.#leaveComment();
    const isEscaped = this.#inside === "\\'";
    const end = isEscaped ? "'" : this.#inside;
    const found = this.#text.indexOf(end, this.#at);
    const backslash = isEscaped ? this.#text.indexOf('\\', this.#at) : -1;
    if (backslash >= 0 && (found < 0 || backslash < found)) {
      this.#at = Math.min(backslash + 2, this.#text.length);
      return this.#at < this.#text.length;
    }
    if (found < 0) {
      // a dollar quote stands within one line
      this.#at = this.#text.length;
      return false;
    }
    this.#at = found + end.length;
    const isDoubled = end.length === 1 && this.#text[this.#at] === end;
    if (isDoubled) this.#at += 1;
    else this.#inside = '';
    return true;
  }

  #leaveComment() {
    const edge = /\/\*|\*\//g;
    edge.lastIndex = this.#at;
    const found = edge.exec(this.#text);
    this.#at = found ? edge.lastIndex : this.#text.length;
    if (!found) return false;
    this.#commentDepth += found[0] === '/*' ? 1 : -1;
    if (this.#commentDepth === 0) this.#inside = '';
    return true;
  }

  /**
   * The body of a function in SQL's own syntax (BEGIN ATOMIC … END) has semicolons that end nothing. BEGIN alone may be
   * anybody's name; CASE and END are quoted where they are.
   * @param {string} word
   * @param {string} before the word right before it
   */
  #word(word, before) {
    if (this.#words.length < 4) this.#words.push(word);
    const [create, ...rest] = this.#words;
    if (create !== 'create' || !rest.some((w) => w === 'function' || w === 'procedure')) return;
    if (this.#depth === 0) {
      if (word === 'atomic' && before === 'begin' && this.#brackets === 0) this.#depth = 1;
    } else if (word === 'case') this.#depth += 1;
    else if (word === 'end') this.#depth -= 1;
  }
}
