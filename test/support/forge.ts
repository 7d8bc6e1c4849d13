import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';

/**
 * Rewrites a backup (plain SQL, gzip) in a directory, and its manifest so that digest and size fit: damage that only
 * a restore brings to light.
 */
export function forge(
  folder: string,
  key: string,
  change: { sql?: (text: string) => string; manifest?: (manifest: Manifest) => void },
): void {
  const path = join(folder, key);
  const manifestPath = path.replace(/\.sql\.gz$/, '.json');
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as Manifest;
  if (change.sql) {
    const before = gunzipSync(readFileSync(path)).toString('utf8');
    const after = change.sql(before);
    if (after === before) throw new Error('the change changes nothing');
    const bytes = gzipSync(after);
    writeFileSync(path, bytes);
    const [object] = manifest.objects;
    if (object) {
      object.sizeBytes = bytes.length;
      object.sha256 = createHash('sha256').update(bytes).digest('hex');
    }
  }
  change.manifest?.(manifest);
  writeFileSync(manifestPath, JSON.stringify(manifest));
}
