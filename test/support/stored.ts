import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { encodeManifest } from '../../scripts/lib/repository/manifest-text.ts';
import { kindKey, manifestKey, stemOf } from '../../scripts/lib/repository/object-key.ts';
import { place } from './folders.ts';

/** A backup as it lies in a store: its objects by key, in the order in which they are stored, and its key. */
export interface Stored {
  readonly key: string;
  readonly objects: ReadonlyMap<string, Buffer>;
}

interface Options {
  readonly prefix?: string;
  readonly kind?: 'backup' | 'pre-restore';
  /** Of the object, compressed; random bytes of their own for each backup. */
  readonly bytes?: Buffer;
  /** As a folder of this many objects and the last one. */
  readonly parts?: number;
  readonly hasManifest?: boolean;
}

/** A backup with a manifest that fits it, made without a database. */
export function storedBackup(source: string, at: string, options: Options = {}): Stored {
  const { prefix = '', kind = 'backup', parts = 0, hasManifest = true } = options;
  // keys have seconds
  const createdAt = new Date(Math.floor(Date.parse(at) / 1_000) * 1_000);
  const stem = stemOf(prefix, source, createdAt);
  const bytes = options.bytes ?? gzipSync(`-- ${source} ${at}\n`);
  const marker = kindKey(stem, kind);
  const dumps: [string, Buffer][] =
    parts === 0
      ? [[`${stem}.sql.gz`, bytes]]
      : [
          ...Array.from({ length: parts }, (_, n): [string, Buffer] => [
            `${stem}/${String(n + 1).padStart(4, '0')}-data.sql.gz`,
            Buffer.concat([bytes, Buffer.from(String(n))]),
          ]),
          [`${stem}/9999-post-data.sql.gz`, bytes],
        ];
  const objects: [string, Buffer][] = [[`${stem}.globals.sql.gz`, gzipSync(`-- roles of ${source}\n`)], ...dumps];
  const manifest: Manifest = {
    version: 1,
    source,
    engine: 'postgres',
    database: source,
    kind,
    createdAt: createdAt.toISOString(),
    startedAt: createdAt.toISOString(),
    finishedAt: createdAt.toISOString(),
    serverVersion: '17.2',
    clientVersion: '17.2',
    format: parts === 0 ? 'sql' : 'folder',
    compression: 'gzip',
    encryption: null,
    rawBytes: 10,
    tables: [],
    sequences: [],
    objects: objects.map(([key, content]) => ({
      name: key.slice(stem.lastIndexOf('/') + 1),
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    })),
  };
  return {
    key: parts === 0 ? `${stem}.sql.gz` : `${stem}/`,
    objects: new Map<string, Buffer>([
      ...(marker === undefined ? [] : [[marker, Buffer.alloc(0)] as const]),
      ...objects,
      ...(hasManifest ? [[manifestKey(stem), encodeManifest(manifest)] as const] : []),
    ]),
  };
}

/** Puts backups into a folder that is a store. */
export function placeAll(folder: string, ...backups: readonly Stored[]): void {
  for (const { objects } of backups) for (const [key, bytes] of objects) place(folder, key, bytes);
}
