// What of PostgreSQL's definitions is known to be written otherwise once it was loaded. Bytes are characters here (latin1).

/**
 * A definition in the words that its second dump has: the server keeps what was written, and loading what it then writes
 * of that makes something else of some of it. Its kinds, seen from PostgreSQL 15 to 18: lists of an `IN`, conditions that
 * begin with a BETWEEN, the field of an EXTRACT that was given as a text, the roles of
 * a policy, and the rows of a VALUES with an order of its own.
 * @param {string} text
 */
export function canonical(text) {
  // Of EXTRACT('YEAR' FROM …) the field comes as it was written, and small once it is a word
  const withFields = text.replaceAll(
    /\bEXTRACT\([A-Za-z_]+ FROM /g,
    (words) => `EXTRACT${words.slice(7, -6).toLowerCase()} FROM `,
  );
  // rows of a list that had an order of their own stand a blank further on once they are loaded
  const withLists = withFields.replaceAll(/\( +VALUES \(/g, '(VALUES (');
  return flattened(withCastMembers(withRolesInOrder(withLists)));
}

const NAME = '(?:"(?:[^"]|"")*"|[^\\s",.]+)';
const POLICY = new RegExp(
  `^(CREATE POLICY ${NAME} ON ${NAME}(?:\\.${NAME})?(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)? TO )(${NAME}(?:, ${NAME})*)(?= USING \\(| WITH CHECK \\(|$)`,
);

/**
 * The roles of a policy come in the order in which the server happens to have them.
 * @param {string} text
 */
function withRolesInOrder(text) {
  return text.replace(
    POLICY,
    (_, head, roles) =>
      head +
      [...roles.matchAll(new RegExp(NAME, 'g'))]
        .map(([role]) => role)
        .sort()
        .join(', '),
  );
}

/**
 * A list has casts around its array the first time, and around its members once it has been loaded.
 * @param {string} text
 */
function withCastMembers(text) {
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

const OPERATOR = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:[A-Za-z_]\w*)?\$|[()]|\b(?:AND|OR)\b/g;
/** A condition as its operands begin: `(… AND …) AND …`. */
const MAY_BE_NESTED = /\)\s+(?:AND|OR)\s/;

/**
 * `((a AND b) AND c)`, as it is written of `a BETWEEN … AND c`, is `(a AND b AND c)` once it has been loaded: the parser
 * makes one list of operands that stand on the left, and of no others.
 * @param {string} text
 */
function flattened(text) {
  if (!MAY_BE_NESTED.test(text)) return text;
  /** @type {{ at: number, operator: string, first: { open: number, close: number, operator: string } | undefined }[]} */
  const groups = [];
  /** @type {Set<number>} */
  const needless = new Set();
  /** @type {{ open: number, close: number, operator: string } | undefined} */
  let closed;
  let end = '';
  for (const { 0: token, index } of text.matchAll(OPERATOR)) {
    // what is quoted by dollars is code, and stays as it is
    if (end !== '' || token.startsWith('$')) {
      if (end === '') end = token;
      else if (token === end) end = '';
      continue;
    }
    const group = groups.at(-1);
    if (token === '(') groups.push({ at: index, operator: '', first: undefined });
    else if (token === ')') {
      groups.pop();
      closed = group && { open: group.at, close: index, operator: group.operator };
      if (group?.first?.operator === group?.operator && group?.first)
        needless.add(group.first.open).add(group.first.close);
    } else if ((token === 'AND' || token === 'OR') && group && group.operator === '') {
      group.operator = token;
      const isFirst = closed && closed.open === group.at + 1 && text.slice(closed.close + 1, index).trim() === '';
      group.first = isFirst ? closed : undefined;
    }
  }
  return needless.size === 0 ? text : text.replaceAll(/[()]/g, (bracket, at) => (needless.has(at) ? '' : bracket));
}
