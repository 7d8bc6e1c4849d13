/** A role of a server, as far as it matters who needs it. */
export interface Role {
  readonly oid: string;
  readonly name: string;
  /** There are settings for it in the database: ALTER ROLE … IN DATABASE … SET. */
  readonly hasSettings: boolean;
}

/** That one role belongs to another, by oid. */
export interface Membership {
  readonly role: string;
  readonly member: string;
  readonly grantor: string;
  readonly options: {
    readonly admin_option: boolean;
    /** PostgreSQL 16 and newer. */
    readonly inherit_option?: boolean;
    /** PostgreSQL 16 and newer. */
    readonly set_option?: boolean;
  };
}

/** The superuser that initdb made. Who restores takes his place as the grantor of memberships. */
export const FIRST_SUPERUSER = '10';

/**
 * Which roles a database needs on a new server.
 * @param seeds names of the roles that own something in it or are granted something
 * @returns `needed`: the seeds and what they are members of, however far; `further`: those who have rights through one of the
 *   seeds, or settings in the database, or have granted a membership, with what they are members of; `given`: every
 *   membership of all these, in an order in which each can be given
 */
export function neededRoles<R extends Role>(
  roles: readonly R[],
  memberships: readonly Membership[],
  seeds: ReadonlySet<string>,
): { needed: R[]; further: R[]; given: Membership[] } {
  const isPredefined = new Set(roles.filter(({ name }) => name.startsWith('pg_')).map(({ oid }) => oid));
  const own = memberships.filter(({ member }) => !isPredefined.has(member));
  const groupsOf = (oids: ReadonlySet<string>) =>
    reached(oids, (oid) => own.filter(({ member }) => member === oid).map(({ role }) => role));
  const seedOids = new Set(roles.filter(({ name }) => seeds.has(name)).map(({ oid }) => oid));
  const needed = groupsOf(seedOids);
  const members = reached(seedOids, (oid) =>
    isPredefined.has(oid) ? [] : own.filter(({ role }) => role === oid).map(({ member }) => member),
  );
  const withSettings = roles.filter(({ hasSettings }) => hasSettings).map(({ oid }) => oid);
  const all = reached(groupsOf(new Set([...needed, ...members, ...withSettings])), (oid) =>
    own.filter(({ member }) => member === oid).flatMap(({ role, grantor }) => [role, grantor]),
  );
  const rows = (oids: (oid: string) => boolean) => roles.filter(({ oid }) => oids(oid) && !isPredefined.has(oid));
  return {
    needed: rows((oid) => needed.has(oid)),
    further: rows((oid) => all.has(oid) && !needed.has(oid)),
    given: inOrderOfGrant(own.filter(({ member }) => all.has(member)).sort(byNames(roles))),
  };
}

/** In an order that another server with the same roles has too. */
function byNames(roles: readonly Role[]) {
  const names = new Map(roles.map(({ oid, name }) => [oid, name]));
  const key = ({ role, member, grantor }: Membership) =>
    [role, member, grantor].map((oid) => names.get(oid)).join('\0');
  return (a: Membership, b: Membership) => (key(a) < key(b) ? -1 : 1);
}

function reached(from: ReadonlySet<string>, next: (oid: string) => string[]): Set<string> {
  const found = new Set(from);
  // what is added while it is gone through is gone through as well
  for (const oid of found) for (const other of next(oid)) found.add(other);
  return found;
}

/** Who lets others in has to have been let in with the right to. */
function inOrderOfGrant(memberships: readonly Membership[]): Membership[] {
  const ordered: Membership[] = [];
  let rest = [...memberships];
  while (rest.length > 0) {
    const ready = rest.filter(
      ({ grantor, role }) =>
        grantor === FIRST_SUPERUSER ||
        ordered.some((has) => has.role === role && has.member === grantor && has.options.admin_option),
    );
    // before PostgreSQL 16 nobody looked who it was
    const next = ready.length === 0 ? rest : ready;
    ordered.push(...next);
    rest = rest.filter((membership) => !next.includes(membership));
  }
  return ordered;
}
