// pick-rows.mjs: hands on a dump of MariaDB's without the rows of tables that are not wanted, as if they were empty. What is
// wanted stands as JSON in descriptor 3: names, as a manifest has them.
import { createReadStream, readFileSync, writeSync } from 'node:fs';
import { shown } from '../../../proof/mariadb-names.mjs';

const BLOCK_BYTES = 1 << 20;
const NEWLINE = 10;
const INSERT = Buffer.from('INSERT INTO `');
/** No value has a line break: what begins a line behind rows ends them. */
const ENDS = [Buffer.from('\n/*!40000 ALTER TABLE `'), Buffer.from('\nUNLOCK TABLES;')];
const LONGEST_END = Math.max(...ENDS.map(({ length }) => length));
const LOCKED = /^LOCK TABLES `((?:[^`]|``)*)` /;

const wanted = new Set(JSON.parse(readFileSync(3, 'utf8')));
/** Of a table that is not wanted, between its lock and its end. */
let isUnwanted = false;
let isSkipping = false;
/** Between two DELIMITER lines, where a line may look like any other. */
let isCode = false;
let isCodeComplete = false;
/** @type {Buffer} */
let buffer = Buffer.alloc(0);

/** @param {Uint8Array} bytes */
function handOn(bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}

/** Where the rows end that begin or go on at the start of the buffer. */
function endOfRows() {
  const found = ENDS.map((end) => buffer.indexOf(end)).filter((at) => at >= 0);
  return found.length === 0 ? undefined : Math.min(...found) + 1;
}

/** Takes what can be taken from the buffer; false when that is nothing. */
function take() {
  if (isSkipping) {
    const end = endOfRows();
    buffer = buffer.subarray(end ?? Math.max(0, buffer.length - LONGEST_END));
    isSkipping = end === undefined;
    return !isSkipping;
  }
  if (isUnwanted && buffer.length >= INSERT.length && buffer.subarray(0, INSERT.length).equals(INSERT)) {
    isSkipping = true;
    return true;
  }
  const end = buffer.indexOf(NEWLINE);
  if (end < 0) return false;
  const line = buffer.subarray(0, end + 1);
  const text = line.length < 4_096 ? line.toString('utf8') : '';
  if (isCode) {
    // behind the end of a statement; elsewhere it is a line of a text
    if (text === 'DELIMITER ;\n' && isCodeComplete) isCode = false;
    isCodeComplete = /;;\s*$/.test(line.subarray(-64).toString('latin1')) || (isCodeComplete && /^\s*$/.test(text));
    handOn(line);
    buffer = buffer.subarray(end + 1);
    return true;
  }
  isCode = text === 'DELIMITER ;;\n';
  const table = LOCKED.exec(text)?.[1];
  if (table !== undefined) isUnwanted = !wanted.has(shown(table));
  else if (isUnwanted && text.startsWith('UNLOCK TABLES;')) isUnwanted = false;
  handOn(line);
  buffer = buffer.subarray(end + 1);
  return true;
}

try {
  for await (const chunk of createReadStream('', { fd: 0, highWaterMark: BLOCK_BYTES })) {
    buffer = Buffer.concat([buffer, chunk]);
    while (take());
    buffer = Buffer.from(buffer);
  }
  handOn(buffer);
} catch (error) {
  writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
