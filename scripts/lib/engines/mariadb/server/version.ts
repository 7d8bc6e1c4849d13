export interface ServerVersion {
  /** `10.11.19`. */
  readonly text: string;
  /** 101119 for 10.11.19. */
  readonly number: number;
  readonly isMariaDb: boolean;
}

/** The version in what `SELECT VERSION()` or `--version` says. */
export function parseVersion(said: string): ServerVersion {
  // old clients are told that a MariaDB 10 is a 5.5.5
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(said.replace(/^5\.5\.5-/, ''));
  const [, major, minor, patch] = (match ?? []).map(Number);
  return {
    text: match?.[0] ?? said,
    number: (major ?? 0) * 10_000 + (minor ?? 0) * 100 + (patch ?? 0),
    isMariaDb: /mariadb/i.test(said),
  };
}

/** `10.11` of 101119. */
export function seriesOf(number: number): string {
  return `${Math.floor(number / 10_000)}.${Math.floor(number / 100) % 100}`;
}
