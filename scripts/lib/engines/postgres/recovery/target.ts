/** Where a recovery stops. Without one it goes to the end of the log. */
export type RecoveryTarget =
  /** After every commit that is not later than this. As the server reads it, with a zone: microseconds count. */
  | { readonly kind: 'time'; readonly time: string }
  /** At a named restore point. */
  | { readonly kind: 'mark'; readonly name: string }
  /** With this transaction as the last one that is in. */
  | { readonly kind: 'xid'; readonly xid: string }
  /** With all that ends at or before this position. */
  | { readonly kind: 'lsn'; readonly lsn: string };

/** Beyond this many characters the server cuts the name of a restore point. */
export const MARK_LENGTH = 63;

/** A value of postgresql.conf. */
export function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** The lines of postgresql.conf that make a recovery stop there. */
export function targetSettings(target: RecoveryTarget | undefined): string[] {
  switch (target?.kind) {
    case undefined:
      return [];
    case 'time':
      return [`recovery_target_time = ${quoted(target.time)}`];
    case 'mark':
      return [`recovery_target_name = ${quoted(target.name)}`];
    case 'xid':
      return [`recovery_target_xid = ${quoted(target.xid)}`];
    case 'lsn':
      return [`recovery_target_lsn = ${quoted(target.lsn)}`, 'recovery_target_inclusive = off'];
  }
}
