import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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

/** Every file below, as paths from the folder, in order; unfinished uploads among them. What goes while it looks is not there. */
export function filesIn(folder: string): string[] {
  return filesBelow(folder, folder).sort();
}

function filesBelow(top: string, folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(top, path);
      const isFile = entry.isFile() || (entry.isSymbolicLink() && statSync(path).isFile());
      return isFile ? [relative(top, path)] : [];
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
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
