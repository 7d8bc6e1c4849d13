// checked-untar.mjs TAR [ARGUMENT…]: runs a tar that extracts an archive from its standard input, and lets nothing reach
// it that would be written outside the folder that it extracts into, or an archive that does not end as a whole one does.
import { spawn } from 'node:child_process';
import { TarReader } from './tar-reader.mjs';

const KEPT_LINES = 20;

const [command = '', ...args] = process.argv.slice(2);
const tar = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
for (const name of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
  process.once(name, () => {
    tar.kill('SIGTERM');
    process.kill(process.pid, name);
  });
}
/** @type {string[]} */
const lines = [];
let linesTotal = 0;
let rest = '';
/** @param {string} line */
function hear(line) {
  linesTotal += 1;
  if (lines.length < KEPT_LINES) lines.push(line.replace(/^\S*tar: /, ''));
}
tar.stderr.setEncoding('latin1').on('data', (/** @type {string} */ text) => {
  const parts = (rest + text).split('\n');
  rest = parts.pop() ?? '';
  parts.forEach(hear);
});
// a tar that has gone says why by its exit status
tar.stdin.on('error', () => {});
/** @type {Promise<{ code: number | null, signal: NodeJS.Signals | null, error?: Error }>} */
const finished = new Promise((resolve) => {
  tar.once('error', (error) => resolve({ code: null, signal: null, error }));
  tar.once('close', (code, signal) => resolve({ code, signal }));
});

/** @param {string} message @returns {never} */
function refuse(message) {
  tar.kill('SIGKILL');
  process.stderr.write(`${message}\n`);
  process.exit(3);
}

/** @param {string} name */
const escapes = (name) => name.startsWith('/') || name.split('/').includes('..');
/** @param {string} name */
const quoted = (name) => JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'));

const reader = new TarReader({
  begin: ({ rawName, linkName, type }) => {
    if (escapes(rawName)) refuse(`the archive would write outside the folder: ${quoted(rawName)}`);
    if (type === '1' && escapes(linkName))
      refuse(`the archive would link to what is outside the folder: ${quoted(linkName)}`);
  },
  data: () => {},
  end: () => {},
});

/** Leaves no listener behind: a large archive is waited for a million times. @returns {Promise<void>} */
function drainedOrClosed() {
  return new Promise((resolve) => {
    const done = () => {
      tar.stdin.off('drain', done);
      tar.stdin.off('close', done);
      resolve();
    };
    tar.stdin.on('drain', done);
    tar.stdin.on('close', done);
  });
}

let hasEnded = false;
void finished.then(() => {
  hasEnded = true;
  // what waits for room in it waits no longer
  tar.stdin.destroy();
});
for await (const chunk of process.stdin) {
  try {
    reader.feed(chunk);
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  if (hasEnded || tar.stdin.destroyed) break;
  if (!tar.stdin.write(chunk)) await drainedOrClosed();
}
// an extraction that is not told of an end is not finished
if (!hasEnded && !reader.ended) refuse('the archive does not end as a whole one does');
tar.stdin.end();
const { code, signal, error } = await finished;
if (rest !== '') hear(rest);
if (linesTotal > lines.length) lines.push(`… and ${linesTotal - lines.length} more lines`);
if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
if (error) refuse(`${command}: ${error.message}`);
if (signal !== null) refuse(`tar was ended by ${signal}`);
process.exit(code ?? 2);
