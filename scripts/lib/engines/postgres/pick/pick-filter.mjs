// pick-filter.mjs: hands on, of a plain dump of PostgreSQL's, what some of its tables need: every definition, but of indexes
// and constraints those of these tables, and of other tables no rows, as if they were empty. What is wanted stands as JSON in descriptor 3: the tables' names. Says on
// standard error which tables they are with their partitions: `PICKED ["public.a", …]`.
import { readFileSync, readSync, writeSync } from 'node:fs';
import { asUtf8, decoderOf } from '../../../proof/bytes.mjs';
import { nameOf } from '../../../proof/postgres-names.mjs';
import { Statements } from '../../../proof/statements.mjs';

const BLOCK_BYTES = 1 << 20;
const NEWLINE = 10;
const END_OF_ROWS = Buffer.from('\n\\.\n');
const COPY = /^COPY\s+([\s\S]+?)\s+FROM\s+stdin(?: WITH \(FREEZE\))?$/i;
const INDEX = /^CREATE (?:UNIQUE )?INDEX ([\s\S]+?) ON (?:ONLY )?([\s\S]+)$/;
const CONSTRAINT = /^ALTER TABLE (?:ONLY )?([\s\S]+?)\s+ADD CONSTRAINT ([\s\S]+)$/;
const ATTACHED = /^ALTER TABLE (?:ONLY )?([\s\S]+?) ATTACH PARTITION ([\s\S]+)$/;
const ATTACHED_INDEX = /^ALTER INDEX ([\s\S]+?) ATTACH PARTITION ([\s\S]+)$/;
const TABLE = /^CREATE (?:UNLOGGED |FOREIGN )*TABLE ([\s\S]+)$/;
const LARGE_OBJECT =
  /^(?:(?:ALTER|COMMENT ON|(?:GRANT|REVOKE) [\w ,()]+? ON) LARGE OBJECT|SELECT pg_catalog\.(?:lo_|lowrite))/;
/** Between the definitions and what is built upon the tables, and of the session. */
const OF_DATA = /^SELECT pg_catalog\.setval\(/;
const OF_SESSION = /^(?:SET |RESET |BEGIN$|COMMIT$|SELECT pg_catalog\.set_config\()/;
const RIGHTS = /^(?:GRANT|REVOKE) [\s\S]+? ON (?:TABLE |SEQUENCE |FUNCTION |PROCEDURE )?([\s\S]+)$/;
const POSTPONED = /^CREATE (?:OR REPLACE )?(?:MATERIALIZED VIEW|VIEW|FUNCTION|PROCEDURE) ([\s\S]+)$/;
/** What belongs to no table that is copied from, or acts by itself. */
const NEVER =
  /^(?:CREATE (?:EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|TRIGGER|CONSTRAINT TRIGGER|RULE|POLICY|STATISTICS) |REFRESH )/;
const SECURED = /^ALTER TABLE (?:ONLY )?([\s\S]+?) (ENABLE|FORCE) ROW LEVEL SECURITY$/;
const ENCODING = /^SET client_encoding = '(\w+)'/;
const SCHEMA = /^(?:"(?:[^"]|"")*"|[^".])+\./;

/** @type {readonly string[]} */
const wanted = JSON.parse(readFileSync(3, 'utf8'));
const names = new Set(wanted.map((name) => nameOf(Buffer.from(name).toString('latin1')).name));
/** The tables that rows of a table are those of, too. @type {Map<string, string[]>} */
const parents = new Map();
/** @type {Set<string>} */
const tables = new Set(names);
/** @type {Set<string>} */
const indexes = new Set();
/** What is not made, and may be granted. @type {Set<string>} */
const unmade = new Set();
let isBuilding = false;
/** Of the encoding of the dump; a folder has two. @type {ReturnType<typeof decoderOf>} */
let decoder;
/** @type {boolean | undefined} */
let verdict;

/** @param {string} name @returns {boolean} */
const isWanted = (name) => names.has(name) || (parents.get(name) ?? []).some(isWanted);

/** @param {string} child @param {string} parent */
const goesWith = (child, parent) => parents.set(child, [...(parents.get(child) ?? []), parent]);

/**
 * Whether a statement is handed on.
 * @param {string} text
 */
function isKept(text) {
  if (LARGE_OBJECT.test(text)) return false;
  if (OF_SESSION.test(text) || OF_DATA.test(text)) return true;
  const secured = SECURED.exec(text);
  // without the policies only its owner reads it, and not everybody who has a right to some of it
  if (secured) return secured[2] === 'ENABLE' && isWanted(nameOf(secured[1] ?? '').name);
  const granted = RIGHTS.exec(text)?.[1];
  if (granted !== undefined) return !unmade.has(nameOf(granted).name);
  const index = INDEX.exec(text);
  const constraint = CONSTRAINT.exec(text);
  isBuilding ||= index !== null || constraint !== null || NEVER.test(text);
  if (!isBuilding) return defines(text);
  if (index) return isBuilt(index[2] ?? '', index[1] ?? '');
  if (constraint) {
    const referred = /\bFOREIGN KEY [\s\S]*?\) REFERENCES ([\s\S]+)$/.exec(constraint[2] ?? '')?.[1];
    const canHold = referred === undefined || isWanted(nameOf(referred).name);
    return canHold && isBuilt(constraint[1] ?? '', constraint[2] ?? '');
  }
  const attached = ATTACHED_INDEX.exec(text);
  if (attached) return [attached[1], attached[2]].every((name = '') => indexes.has(nameOf(name).name));
  const postponed = POSTPONED.exec(text)?.[1];
  if (postponed !== undefined && !text.startsWith('CREATE OR REPLACE VIEW')) unmade.add(nameOf(postponed).name);
  return false;
}

/**
 * Whether an index, or what makes one, is of a table that is wanted.
 * @param {string} table
 * @param {string} name
 */
function isBuilt(table, name) {
  const of = nameOf(table).name;
  if (!isWanted(of)) return false;
  // it lies in the schema of its table
  indexes.add(`${SCHEMA.exec(of)?.[0] ?? ''}${nameOf(name).name}`);
  return true;
}

/**
 * Learns from a definition which tables there are, and what they are parts of.
 * @param {string} text
 */
function defines(text) {
  const attached = ATTACHED.exec(text);
  if (attached) goesWith(nameOf(attached[2] ?? '').name, nameOf(attached[1] ?? '').name);
  const made = TABLE.exec(text)?.[1];
  if (made !== undefined) {
    const { name } = nameOf(made);
    tables.add(name);
    let rest = /\)\nINHERITS \(([\s\S]*)$/.exec(text)?.[1] ?? '';
    while (rest !== '' && !rest.startsWith(')')) {
      const parent = nameOf(rest);
      if (parent.name === '') break;
      goesWith(name, parent.name);
      rest = parent.rest.replace(/^,\s*/, '');
    }
  }
  return true;
}

const statements = new Statements((text) => {
  const copied = COPY.exec(text)?.[1];
  if (copied === undefined) {
    const encoding = ENCODING.exec(text)?.[1];
    if (encoding !== undefined) decoder = decoderOf(encoding);
    verdict = (verdict ?? false) || isKept(text);
    return;
  }
  rows = isWanted(nameOf(copied).name) ? 'wanted' : 'not wanted';
  isAtStart = true;
});

/** Inside of a table's rows. @type {'wanted' | 'not wanted' | undefined} */
let rows;
let isAtStart = false;
/** @type {Buffer} */
let buffer = Buffer.alloc(0);
/** Lines of the statement under way. @type {Buffer[]} */
let pending = [];

/** @param {Uint8Array} bytes */
function handOn(bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}

/** Takes a line of text, with its line break. @param {Buffer} line */
function take(line) {
  const text = asUtf8(line, decoder).toString('latin1');
  if (statements.isIdle && (text === '\n' || text.startsWith('--') || text.startsWith('\\'))) {
    handOn(line);
    return;
  }
  pending.push(Buffer.from(line));
  verdict = undefined;
  statements.feed(text);
  if (!statements.isIdle) return;
  if (rows !== undefined || verdict !== false) for (const each of pending) handOn(each);
  pending = [];
}

/**
 * Where the rows end that begin or go on here; undefined when that has not come yet.
 * @param {number} from
 */
function endOfRows(from) {
  // there may be none; later on, these bytes may be a part of a row
  if (isAtStart && buffer.subarray(from, from + 3).equals(END_OF_ROWS.subarray(1))) return from + 3;
  const end = buffer.indexOf(END_OF_ROWS, from);
  return end < 0 ? undefined : end + END_OF_ROWS.length;
}

/** Takes what can be taken of the buffer. @returns {number} how many bytes of it */
function takeBuffer() {
  let at = 0;
  for (;;) {
    if (rows !== undefined) {
      const end = endOfRows(at);
      // what an end may begin with stays
      const sure = end ?? Math.max(at, buffer.length - END_OF_ROWS.length);
      if (rows === 'wanted') handOn(buffer.subarray(at, sure));
      else if (end !== undefined) handOn(END_OF_ROWS.subarray(1));
      isAtStart &&= sure === at;
      at = sure;
      if (end === undefined) return at;
      rows = undefined;
    }
    const end = buffer.indexOf(NEWLINE, at);
    if (end < 0) return at;
    take(buffer.subarray(at, end + 1));
    at = end + 1;
  }
}

// nothing else happens in this process: waiting for each block costs less than being called back for it, and what is skipped is
// never copied
let block = Buffer.alloc(2 * BLOCK_BYTES);
let held = 0;
try {
  for (;;) {
    if (block.length - held < BLOCK_BYTES) block = Buffer.concat([block, Buffer.alloc(block.length)]);
    const length = readSync(0, block, held, BLOCK_BYTES, null);
    if (length === 0) break;
    buffer = block.subarray(0, held + length);
    const taken = takeBuffer();
    block.copyWithin(0, taken, buffer.length);
    held = buffer.length - taken;
  }
  buffer = block.subarray(0, held);
  handOn(buffer);
  for (const line of pending) handOn(line);
  writeSync(2, `PICKED ${JSON.stringify([...tables].filter(isWanted))}\n`);
} catch (error) {
  writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
