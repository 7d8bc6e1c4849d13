// witness.mjs [COMMAND [ARGUMENT …]]: hands a dump on from its standard input to its standard output, and reports on standard
// error what it holds, a line each. What is to be read otherwise stands as JSON in descriptor 3. With a command, that
// one makes text of the dump, and its text is what is read. See docs/adr/0020-proof-of-content.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readFileSync, writeSync } from 'node:fs';
import { MariaDbReader } from './mariadb-reader.mjs';
import { PostgresReader } from './postgres-reader.mjs';

const BLOCK_BYTES = 1 << 20;
const READERS = { postgres: PostgresReader, mariadb: MariaDbReader };

/** @type {import('./reading.ts').ReadingOptions & { handsOn: boolean }} */
const options = JSON.parse(readFileSync(3, 'utf8'));
const reader = new READERS[options.dialect](options, (line) => say(`PROOF ${JSON.stringify(line)}`));
const [command, ...args] = process.argv.slice(2);

/** @param {string} line */
function say(line) {
  const bytes = Buffer.from(`${line}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(2, bytes, done);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error;
    }
  }
}

/** @param {Uint8Array} chunk */
function handOn(chunk) {
  for (let done = 0; done < chunk.length; ) done += writeSync(1, chunk, done);
}

/** @param {import('node:child_process').ChildProcessByStdio<import('node:stream').Writable, import('node:stream').Readable, null>} child */
async function readText(child) {
  for await (const chunk of child.stdout) reader.feed(chunk);
}

try {
  const input = createReadStream('', { fd: 0, highWaterMark: BLOCK_BYTES });
  if (command === undefined) {
    for await (const chunk of input) {
      if (options.handsOn) handOn(chunk);
      reader.feed(chunk);
    }
  } else {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    const reading = readText(child);
    child.stdin.on('error', () => {});
    for await (const chunk of input) {
      if (options.handsOn) handOn(chunk);
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), ended]);
    }
    child.stdin.end();
    await reading;
    const [code] = await ended;
    if (code !== 0) throw new Error(`${command} exited with ${code}`);
  }
  reader.end();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
