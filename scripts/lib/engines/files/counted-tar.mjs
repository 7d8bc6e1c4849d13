// counted-tar.mjs REPORT TAR [ARGUMENT…]: runs a tar that writes an archive, hands the archive on, and writes into the
// file REPORT what the archive holds, counted and digested as it went by, and what changed meanwhile. What tar only
// warns of is no failure here; an archive without its end is one.
import { spawn } from 'node:child_process';
import { writeFileSync, writeSync } from 'node:fs';
import { TarReader } from './tar-reader.mjs';
import { TreeDigest } from './tree-digest.mjs';

const NAMES_KEPT = 20;
/** How tar says that it read something that was moving: it exits with 1 then, and the archive is whole. */
const CHANGED =
  /^(.*): (?:file changed as we read it|File removed before we read it|Directory is new|Directory has been renamed from .*|File shrank by \d+ bytes?; padding with zeros|file is unchanged; not dumped|Cannot (?:stat|open|read|readlink): No such file or directory)$/;

const [report = '', command = '', ...args] = process.argv.slice(2);
const tar = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
for (const name of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
  process.once(name, () => {
    tar.kill('SIGTERM');
    process.kill(process.pid, name);
  });
}

/** @type {Set<string>} */
const changed = new Set();
let changedTotal = 0;
/** @type {string[]} */
const others = [];
let othersTotal = 0;
let rest = '';

/** @param {string} line */
function hear(line) {
  const message = line.replace(/^\S*tar: /, '');
  const what = CHANGED.exec(message)?.[1];
  if (what !== undefined) {
    if (changed.has(what)) return;
    changedTotal += 1;
    if (changed.size < NAMES_KEPT) changed.add(what);
  } else if (message !== '' && !message.startsWith('Exiting with failure status')) {
    othersTotal += 1;
    if (others.length < NAMES_KEPT) others.push(message);
  }
}

tar.stderr.setEncoding('latin1').on('data', (/** @type {string} */ text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) hear(line);
});

/** @type {Promise<{ code: number | null, signal: NodeJS.Signals | null, error?: Error }>} */
const finished = new Promise((resolve) => {
  tar.once('error', (error) => resolve({ code: null, signal: null, error }));
  tar.once('close', (code, signal) => resolve({ code, signal }));
});

const digest = new TreeDigest();
let members = 0;
let hasFolder = false;
const reader = new TarReader({
  begin: (member) => {
    members += 1;
    hasFolder ||= member.type === '5';
    digest.begin(member);
  },
  data: (chunk) => digest.data(chunk),
  end: () => digest.end(),
});

/** @param {string} message @returns {never} */
function fail(message) {
  tar.kill('SIGTERM');
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

for await (const chunk of tar.stdout) {
  try {
    for (let done = 0; done < chunk.length; ) done += writeSync(1, chunk, done);
  } catch (error) {
    fail(`writing: ${messageOf(error)}`);
  }
  try {
    reader.feed(chunk);
  } catch (error) {
    fail(messageOf(error));
  }
}

const { code, signal, error } = await finished;
if (rest !== '') hear(rest);
if (error) fail(`${command}: ${error.message}`);
const more = othersTotal > others.length ? [`… and ${othersTotal - others.length} more lines`] : [];
if (others.length > 0) process.stderr.write(`${[...others, ...more].join('\n')}\n`);
if (signal !== null) fail(`tar was ended by ${signal}`);
const isWhole = code === 0 || (code === 1 && changedTotal > 0 && othersTotal === 0);
if (!isWhole) process.exit(code ?? 2);
if (!reader.ended) fail('the archive does not end as a whole one does');
writeFileSync(
  report,
  JSON.stringify({
    ...digest.report(),
    isFolder: hasFolder || members !== 1,
    ...(changedTotal > 0 ? { changed: { total: changedTotal, names: [...changed] } } : {}),
  }),
);
