import { readdirSync, readFileSync } from 'node:fs';
import type { Sighting } from './process-watch.ts';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // it ended meanwhile
    return '';
  }
}

function threads(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function descendants(pid: string, found: string[] = []): string[] {
  const children = threads(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '));
  for (const child of children) {
    if (child === '' || child === String(process.pid)) continue;
    found.push(child);
    descendants(child, found);
  }
  return found;
}

const [, , root = ''] = process.argv;
const seen = new Map<string, Sighting>();
const watching = setInterval(() => {
  for (const pid of descendants(root)) {
    const arguments_ = read(`/proc/${pid}/cmdline`);
    const environment = read(`/proc/${pid}/environ`).replaceAll('\0', '\n');
    // a process that became another program between the two has the arguments of the one and the environment of the other
    if (arguments_ === '' || read(`/proc/${pid}/cmdline`) !== arguments_) continue;
    const commandLine = arguments_.replaceAll('\0', ' ');
    seen.set(`${commandLine}\0${environment}`, { commandLine, environment });
  }
}, 1);
process.stdin.resume().once('end', () => {
  clearInterval(watching);
  process.stdout.write(JSON.stringify([...seen.values()]));
});
