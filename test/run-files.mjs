// run-files.mjs NAME CONCURRENCY TIMEOUT_MS RESULTS FILE…: as `node --test` does, but in the order given, so that what takes
// longest is begun first; and says which file is begun. What people read goes to standard output, TAP to the file RESULTS.
import { createWriteStream } from 'node:fs';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

const [name, concurrency, timeout, results = '', ...files] = process.argv.slice(2);
const stream = run({ files, concurrency: Number(concurrency), timeout: Number(timeout) });
stream.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
let begun = 0;
stream.on('test:dequeue', ({ nesting, name: file }) => {
  if (nesting > 0 || !files.some((each) => file.endsWith(each))) return;
  begun += 1;
  process.stderr.write(`-- ${name} ${begun}/${files.length}: ${files.find((each) => file.endsWith(each))}\n`);
});
stream.compose(new spec()).pipe(process.stdout);
stream.compose(tap).pipe(createWriteStream(results));
