/** Something that belongs to a database as a whole and could not be given to what was restored. */
export interface Ungiven {
  /** `alter database "myapp" owner to "app"`; a setting without its value, which may be a secret. */
  readonly what: string;
  /** In the server's words. */
  readonly reason: string;
  /** A setting, or under whose name a right was granted: the restored database is as safe without it as with it. */
  readonly isSetting: boolean;
}

/** What a statement that failed was to give. */
export function ungivenOf(statement: string, reason: string): Ungiven {
  const setting = /^(alter (?:database|role) .* set [^']*?) to /s.exec(statement)?.[1];
  const isGrantor = /^set role /.test(statement);
  // of roles, whose passwords stand in it, nothing is repeated
  if (
    !/^(alter (database|role)|grant|revoke|comment|security label|set role) /.test(statement) ||
    /password/i.test(setting ?? statement.replace(/'.*/s, ''))
  )
    return { what: 'a role or its memberships', reason, isSetting: false };
  const what = setting ?? statement.replace(/;$/, '');
  return { what, reason, isSetting: setting !== undefined || isGrantor };
}

/** A sentence for the log. */
export function describeUngiven({ what, reason }: Ungiven): string {
  return `not as it was, give it yourself: ${what} (${reason})`;
}
