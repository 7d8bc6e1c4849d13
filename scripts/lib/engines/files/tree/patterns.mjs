import { expressionOf } from './wildcards.mjs';

/**
 * @typedef {object} Rule
 * @property {RegExp} expression
 * @property {boolean} isTakenBack what earlier ones leave out is not
 * @property {boolean} isOfFolders
 * @property {boolean} isOfPath it is held against the whole path, and not the name alone
 */

/**
 * Which paths patterns leave out, by the rules of gitignore: https://git-scm.com/docs/gitignore. Whoever asks goes from the
 * folder down, and does not ask about what is in a folder that is left out. The package that others take for this leaves out
 * more than git does where a star is escaped or a range is negated.
 * @param {readonly string[]} patterns
 * @returns {(path: string, isFolder: boolean) => boolean} of a path below the folder, as bytes (latin1)
 */
export function leavesOut(patterns) {
  const rules = patterns.flatMap(ruleOf).reverse();
  if (rules.length === 0) return () => false;
  return (path, isFolder) => {
    const text = asText(path);
    const name = text.slice(text.lastIndexOf('/') + 1);
    // the last one that fits decides
    const rule = rules.find(
      (each) => (isFolder || !each.isOfFolders) && each.expression.test(each.isOfPath ? text : name),
    );
    return rule !== undefined && !rule.isTakenBack;
  };
}

/**
 * @param {string} pattern
 * @returns {Rule[]} none of a comment
 */
function ruleOf(pattern) {
  // spaces at the end count where they are escaped
  let rest = pattern.replace(/((?:^|[^\\])(?:\\\\)*) +$/, '$1');
  if (rest === '' || rest.startsWith('#')) return [];
  const isTakenBack = rest.startsWith('!');
  if (isTakenBack) rest = rest.slice(1);
  const isOfFolders = rest.endsWith('/');
  if (isOfFolders) rest = rest.slice(0, -1);
  const isOfPath = rest.includes('/');
  if (rest.startsWith('/')) rest = rest.slice(1);
  return [{ expression: expressionOf(rest), isTakenBack, isOfFolders, isOfPath }];
}

/** The patterns that have fitted nothing so far. */
export class UnusedPatterns {
  #unused;

  /** @param {readonly string[]} patterns */
  constructor(patterns) {
    // one that takes back what others leave out fits what it names
    this.#unused = patterns.map((pattern) => ({ pattern, fits: leavesOut([pattern.replace(/^!/, '')]) }));
  }

  /**
   * @param {string} path
   * @param {boolean} isFolder
   */
  see(path, isFolder) {
    if (this.#unused.length > 0) this.#unused = this.#unused.filter(({ fits }) => !fits(path, isFolder));
  }

  get list() {
    return this.#unused.map(({ pattern }) => pattern);
  }
}

/** @param {string} path as bytes (latin1) */
function asText(path) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is no ASCII
  return /^[\x00-\x7f]*$/.test(path) ? path : Buffer.from(path, 'latin1').toString('utf8');
}
