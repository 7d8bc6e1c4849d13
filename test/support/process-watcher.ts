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
    const commandLine = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
    const environment = read(`/proc/${pid}/environ`).replaceAll('\0', '\n');
    if (commandLine !== '') seen.set(`${commandLine}\0${environment}`, { commandLine, environment });
  }
}, 1);
process.stdin.resume().once('end', () => {
  clearInterval(watching);
  process.stdout.write(JSON.stringify([...seen.values()]));
});
