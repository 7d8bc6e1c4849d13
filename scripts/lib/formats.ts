/** What backs a source up: the kind of thing that it is. */
export type EngineName = 'files' | 'mariadb' | 'postgres';

/** What a dump is written as. `folder` is a dump of several objects. */
export type DumpFormat = 'sql' | 'custom' | 'folder' | 'tar';

/** How an object is compressed, beyond what its format does by itself. */
export type ObjectCompression = 'gzip' | 'zstd' | 'none';

/** A compression and its level; without a level, the fastest that still compresses well. */
export interface Compression {
  readonly method: ObjectCompression;
  readonly level?: number;
  /** `auto`: to be chosen for this machine, and why it was chosen. See chooseCompression. */
  readonly isAuto?: true;
  readonly reason?: string;
}

interface FormatRow {
  /** What writes it and reads it back. */
  readonly engines: readonly EngineName[];
  /** What the name of its object ends in, before what says how that is compressed. */
  readonly ending: string;
  /** A format that compresses itself is stored as it is, and its name says nothing of it. */
  readonly compressedBy: 'us' | 'itself';
  /** A dump of several objects is a folder of them. */
  readonly objects: 'one' | 'several';
}

/** Every format. A new one is a new row here, and a way to write and to load it in its engine. */
export const FORMATS = {
  sql: { engines: ['postgres', 'mariadb'], ending: 'sql', compressedBy: 'us', objects: 'one' },
  custom: { engines: ['postgres'], ending: 'dump', compressedBy: 'itself', objects: 'one' },
  folder: { engines: ['postgres'], ending: 'sql', compressedBy: 'us', objects: 'several' },
  tar: { engines: ['files'], ending: 'tar', compressedBy: 'us', objects: 'one' },
} as const satisfies Record<DumpFormat, FormatRow>;

/** What a compression adds to a name. */
const COMPRESSION_ENDINGS = { gzip: '.gz', zstd: '.zst', none: '' } as const satisfies Record<
  ObjectCompression,
  string
>;

const row = (format: DumpFormat): FormatRow => FORMATS[format];

/** The formats that an engine writes, the usual one first. */
export function formatsOf(engine: EngineName): DumpFormat[] {
  return (Object.keys(FORMATS) as DumpFormat[]).filter((format) => row(format).engines.includes(engine));
}

/** Whether backups of this format can be of a source of this engine. */
export function readsFormat(engine: EngineName, format: DumpFormat): boolean {
  return row(format).engines.includes(engine);
}

/** How we compress a dump of this format, when this is the compression that is asked for. */
export function compressedByUs(format: DumpFormat, wanted: ObjectCompression): ObjectCompression {
  return row(format).compressedBy === 'us' ? wanted : 'none';
}

/** Whether a dump of this format is a folder of objects. */
export function isSplit(format: DumpFormat): boolean {
  return row(format).objects === 'several';
}

/** What the name of an object of this format and compression ends in: `sql.gz`. */
export function endingOf(format: DumpFormat, compression: ObjectCompression): string {
  return `${row(format).ending}${COMPRESSION_ENDINGS[compressedByUs(format, compression)]}`;
}

/** What an ending says of an object's bytes: the inverse of endingOf, for objects of one format or of folders. */
export function endingsOf(
  objects: FormatRow['objects'],
): Map<string, { format: DumpFormat; compression: ObjectCompression }> {
  const formats = (Object.keys(FORMATS) as DumpFormat[]).filter((format) => row(format).objects === objects);
  const compressions = Object.keys(COMPRESSION_ENDINGS) as ObjectCompression[];
  return new Map(
    formats.flatMap((format) =>
      compressions.map((wanted) => {
        const compression = compressedByUs(format, wanted);
        return [endingOf(format, compression), { format, compression }] as const;
      }),
    ),
  );
}
