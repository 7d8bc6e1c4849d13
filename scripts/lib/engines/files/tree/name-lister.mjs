// name-lister.mjs ORDER: writes the names of what is to be archived of a folder for tar to read (--files-from=- --null), each as it
// comes to it, in tar's own order. The file ORDER says what is left out, and which names are taken from a folder of copies.
import { readFileSync, writeSync } from 'node:fs';
import { shownPath } from './byte-path.mjs';
import { leavesOut } from './patterns.mjs';
import { walk } from './walk.mjs';

const WRITTEN_BYTES = 64 * 1024;
const TOLD = 20;

const [file = ''] = process.argv.slice(2);
/** @type {import('./name-order.ts').NameOrder} */
const order = JSON.parse(readFileSync(file, 'utf8'));
const copied = new Set(order.copied);
const skipped = new Set(order.skipped);

/** @type {string[]} */
let waiting = [];
let waitingBytes = 0;

function flush() {
  const bytes = Buffer.from(waiting.join(''), 'latin1');
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  waiting = [];
  waitingBytes = 0;
}

/** @param {string} name as bytes (latin1) */
function write(name) {
  waiting.push(`${name}\0`);
  waitingBytes += name.length + 1;
  if (waitingBytes >= WRITTEN_BYTES) flush();
}

/** What tar takes for an option: quoted as a shell would have it. @param {string} folder */
const changeTo = (folder) => write(`-C'${Buffer.from(folder).toString('latin1').replaceAll("'", `'"'"'`)}'`);

/** @type {string[]} */
const unreadable = [];
const choice = {
  reserved: order.reserved,
  leavesOut: leavesOut(order.patterns),
  unreadable: (/** @type {string} */ path, /** @type {string} */ code) => {
    unreadable.push(`./${shownPath(path)}: Cannot open: ${code === 'EACCES' ? 'Permission denied' : code}`);
  },
};
for (const { path } of walk(order.folder, choice)) {
  if (skipped.has(path)) continue;
  const isCopied = copied.has(path);
  if (isCopied) changeTo(order.copies);
  // never taken for an option, whatever its name is
  write(path === '' ? '.' : `./${path}`);
  if (isCopied) changeTo(order.folder);
}
flush();
if (unreadable.length > 0) {
  const more = unreadable.length > TOLD ? [`… and ${unreadable.length - TOLD} more folders`] : [];
  process.stderr.write(`${[...unreadable.slice(0, TOLD), ...more].join('\n')}\n`);
  process.exitCode = 1;
}
