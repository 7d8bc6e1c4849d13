import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Application } from './applications.ts';

/** The statements that make an application's database, from where its packages were unpacked. */
export function definitionsOf(application: Application, folders: readonly string[]): string[] {
  const { before, files, without, edit = (sql: string) => sql, after } = application;
  const taken = new Set<string>();
  const texts = files.flatMap((pattern) => {
    const paths = folders.flatMap((folder) => matching(folder, pattern));
    if (paths.length === 0) throw new Error(`${application.name}: its package has no ${pattern}`);
    // one that was named for itself is not taken again by a pattern
    const fresh = paths.filter((path) => !taken.has(path) && !without?.test(path));
    for (const path of fresh) taken.add(path);
    return fresh.map((path) => edit(textOf(path)));
  });
  return [before, ...texts, after].filter((text) => text !== undefined);
}

function matching(folder: string, pattern: string): string[] {
  const path = join(folder, pattern);
  if (!pattern.includes('*')) return existsSync(path) ? [path] : [];
  const parent = dirname(path);
  if (!existsSync(parent)) return [];
  const [start = '', end = ''] = path.slice(parent.length + 1).split('*');
  return readdirSync(parent)
    .filter((name) => name.startsWith(start) && name.endsWith(end))
    .sort()
    .map((name) => join(parent, name));
}

function textOf(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}
