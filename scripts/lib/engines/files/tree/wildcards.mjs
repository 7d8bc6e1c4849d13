const NEVER = /(?!)/;

/** @type {Readonly<Record<string, string>>} */
const CLASSES = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\0-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  xdigit: 'A-Fa-f0-9',
};

/** @param {string} text */
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/**
 * What a pattern of gitignore fits, as git's own matching has it (wildmatch): `*` and `?` are no slash, `**` between slashes is
 * folders however deep, and what is no pattern fits nothing.
 * @param {string} pattern without what stands before and behind it (`!`, `/`)
 * @returns {RegExp} of the whole text
 */
export function expressionOf(pattern) {
  const letters = [...pattern];
  let source = '';
  for (let at = 0; at < letters.length; ) {
    const letter = letters[at] ?? '';
    if (letter === '*') {
      let end = at;
      while (letters[end] === '*') end += 1;
      // git compares the letters before the first wildcard by themselves: to its matching, the stars are then the beginning
      const isFirst = !letters.slice(0, at).some((each) => '*?[\\'.includes(each));
      const isAlone = end - at > 1 && (isFirst || letters[at - 1] === '/') && [undefined, '/'].includes(letters[end]);
      if (!isAlone) source += '[^/]*';
      else if (letters[end] === '/') source += '(?:.*/)?';
      else source += '.*';
      at = isAlone && letters[end] === '/' ? end + 1 : end;
    } else if (letter === '[') {
      const range = rangeAt(letters, at + 1);
      if (range === undefined) return NEVER;
      source += range.source;
      at = range.end;
    } else if (letter === '\\') {
      const next = letters[at + 1];
      if (next === undefined) return NEVER;
      source += escaped(next);
      at += 2;
    } else {
      source += letter === '?' ? '[^/]' : escaped(letter);
      at += 1;
    }
  }
  return new RegExp(`^${source}$`, 's');
}

/**
 * @param {readonly string[]} letters
 * @param {number} start behind the bracket
 * @returns {{ source: string, end: number } | undefined} undefined of one that does not end
 */
function rangeAt(letters, start) {
  const isNegated = letters[start] === '!' || letters[start] === '^';
  let at = isNegated ? start + 1 : start;
  let source = '';
  /** @type {string | undefined} */
  let before;
  // a bracket that closes is one of the letters where it comes first
  for (let isFirst = true; isFirst || letters[at] !== ']'; isFirst = false) {
    let letter = letters[at];
    if (letter === undefined) return undefined;
    const named = letter === '[' && letters[at + 1] === ':' ? classAt(letters, at + 2) : undefined;
    if (named === 'none') return undefined;
    if (named !== undefined) {
      source += named.source;
      at = named.end;
      before = undefined;
      continue;
    }
    const isRange = letter === '-' && before !== undefined && letters[at + 1] !== undefined && letters[at + 1] !== ']';
    if (isRange) {
      at += 1;
      letter = letters[at];
    }
    if (letter === '\\') {
      at += 1;
      letter = letters[at];
    }
    if (letter === undefined) return undefined;
    if (!isRange) source += escaped(letter);
    else if ((before ?? '') <= letter) source += `${escaped(before ?? '')}-${escaped(letter)}`;
    before = isRange ? undefined : letter;
    at += 1;
  }
  const all = source === '' ? (isNegated ? '[^/]' : '(?!)') : `[${isNegated ? '^' : ''}${source}]`;
  return { source: `(?!/)${all}`, end: at + 1 };
}

/**
 * `[:alpha:]`.
 * @param {readonly string[]} letters
 * @param {number} start behind its colon
 * @returns {{ source: string, end: number } | 'none' | undefined} undefined of one that is none but letters
 */
function classAt(letters, start) {
  const end = letters.indexOf(']', start);
  if (end < 0) return 'none';
  if (end === start || letters[end - 1] !== ':') return undefined;
  const source = CLASSES[letters.slice(start, end - 1).join('')];
  return source === undefined ? 'none' : { source, end: end + 1 };
}
