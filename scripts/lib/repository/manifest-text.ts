import type { Manifest } from './manifest.ts';

/** The dump's own size as stored, without what lies beside it: what a listing shows as the backup's. */
export function dumpBytes(manifest: Manifest): number {
  return manifest.objects
    .filter(({ name }) => !/\.globals\.sql\.gz(\.age)?$/.test(name))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}
