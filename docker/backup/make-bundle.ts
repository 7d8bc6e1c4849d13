import { bundleVerbs } from './bundle.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('make-bundle.ts DIRECTORY: where to?');
await bundleVerbs(directory);
