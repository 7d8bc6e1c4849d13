// tree-meter.mjs REPORT [PATHS [OWNERS]]: hands an archive on from its standard input to its standard output, reports what meter.pl
// reports, and writes into the file REPORT what the archive holds, counted and digested as it went by. An archive
// without its end is a failure. PATHS, a list as JSON: what lies elsewhere is neither counted nor digested. The file OWNERS says of
// members whose they are, where what was archived is a copy of ours.
import { readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { BLOCK, setOwner } from './tar-header.mjs';
import { TarReader } from './tar-reader.mjs';
import { TreeDigest } from './tree-digest.mjs';

const BLOCK_BYTES = 1 << 20;
const TAIL_BYTES = 1024;
const PROGRESS_MS = 1_000;
/** Of a path that a program may name in one go, without the zero at its end: PATH_MAX in linux/limits.h. */
const LONGEST_PATH_BYTES = 4095;

const [report = '', paths = '', ownersFile] = process.argv.slice(2);
/** @type {string[] | undefined} */
const only =
  paths === ''
    ? undefined
    : JSON.parse(paths).map((/** @type {string} */ path) => Buffer.from(path).toString('latin1'));
/** @type {Readonly<Record<string, readonly [number, number]>>} by the member's name, as bytes (latin1) */
const owners = ownersFile === undefined ? {} : JSON.parse(readFileSync(ownersFile, 'utf8'));
const digest = new TreeDigest();
let members = 0;
let hasFolder = false;
let isCounted = true;

/** @param {string} name */
function isWanted(name) {
  return only === undefined || only.some((path) => name === path || name.startsWith(`${path}/`));
}

const reader = new TarReader({
  begin: (member, header) => {
    // made piece by piece, and archived; tar could not extract it, nor anything else of the archive be used then
    if (member.rawName.length > LONGEST_PATH_BYTES) {
      const start = JSON.stringify(Buffer.from(member.rawName.slice(0, 60), 'latin1').toString('utf8'));
      throw new Error(
        `a path has ${member.rawName.length} bytes, and more than ${LONGEST_PATH_BYTES} cannot be restored (File name too long): shorten or remove what begins with ${start}`,
      );
    }
    isCounted = isWanted(member.name);
    if (!isCounted) return;
    members += 1;
    hasFolder ||= member.type === '5';
    const owner = Object.hasOwn(owners, member.name) ? owners[member.name] : undefined;
    if (owner !== undefined) {
      if (header === undefined) throw new Error('a header that came in two parts');
      [member.uid, member.gid] = owner;
      setOwner(header, ...owner);
    }
    digest.begin(member);
  },
  data: (chunk) => {
    if (isCounted) digest.data(chunk);
  },
  end: () => {
    if (isCounted) digest.end();
  },
});

/** @param {string} line */
const say = (line) => writeSync(2, `${line}\n`);

// nothing else happens in this process: waiting for each block costs less than being called back for it
const block = Buffer.alloc(BLOCK_BYTES);

/** What has come, in whole blocks of the archive, so that a header lies in one piece. */
function readBlocks() {
  let length = 0;
  do {
    const read = readSync(0, block, length, BLOCK_BYTES - length, null);
    if (read === 0) break;
    length += read;
  } while (length % BLOCK !== 0);
  return length;
}

let sizeBytes = 0;
let tail = Buffer.alloc(0);
let toldAt = Date.now();
try {
  for (;;) {
    const length = readBlocks();
    if (length === 0) break;
    const chunk = block.subarray(0, length);
    reader.feed(chunk);
    for (let done = 0; done < length; ) done += writeSync(1, chunk, done);
    sizeBytes += length;
    const end = chunk.subarray(-TAIL_BYTES);
    tail = end.length === TAIL_BYTES ? Buffer.from(end) : Buffer.concat([tail, end]).subarray(-TAIL_BYTES);
    if (Date.now() - toldAt < PROGRESS_MS) continue;
    toldAt = Date.now();
    say(`PASSED ${sizeBytes}`);
  }
  if (!reader.ended) throw new Error('the archive does not end as a whole one does');
  writeFileSync(report, JSON.stringify({ ...digest.report(), isFolder: hasFolder || members !== 1 }));
  say(`METER ${sizeBytes} ${tail.toString('hex')}`);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
