import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after } from 'node:test';

const made: string[] = [];
after(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** An empty folder, removed when the test file has ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'folder-test-'));
  made.push(folder);
  return folder;
}

/** Every file below, as paths from the folder, in order; unfinished uploads among them. */
export function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => relative(folder, path))
    .sort();
}

/** The manifests below: one a backup, whatever else belongs to it. */
export function manifestsIn(folder: string): string[] {
  return filesIn(folder).filter((name) => name.endsWith('.json'));
}

/** Writes a file and the folders above it. */
export function place(folder: string, key: string, content: string | Uint8Array = ''): string {
  const path = join(folder, key);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** A plain dump made by hand, which ends as pg_dump ends one. */
export function handMadeDump(sql: string): string {
  return `${sql}\n\n--\n-- PostgreSQL database dump complete\n--\n\n`;
}
