/** What an outline tells of a table, a view or a function: enough to see that it has changed, and in which respect. */
export interface Outlined {
  /** On the server's disk, with its indexes; undefined for what takes none. */
  readonly bytes?: number;
  /** The start of a digest by respect: `columns`, `indexes`. */
  readonly parts: Readonly<Record<string, string>>;
}

/** By kind and name: `table public.orders`. One line each, for there may be ten thousand of them in a manifest. */
export type Outline = Readonly<Record<string, string>>;

/** `81920 columns=1a2b3c4d indexes=9f8e7d6c`; `-` stands for no size. */
export function outlineLine({ bytes, parts }: Outlined): string {
  return [bytes ?? '-', ...Object.entries(parts).map(([respect, digest]) => `${respect}=${digest}`)].join(' ');
}

/** The inverse. */
export function readOutlineLine(line: string): Outlined {
  const [size = '-', ...rest] = line.split(' ');
  const parts = Object.fromEntries(rest.map((each) => each.split('=') as [string, string]));
  return { ...(size === '-' ? {} : { bytes: Number(size) }), parts };
}
