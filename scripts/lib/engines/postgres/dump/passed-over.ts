import type { Connection } from '../server/connection.ts';

/** So many names are told; who made more knows the others. */
const TOLD = 10;

// OIDs up to there are given by initdb
const IN_SYSTEM_SCHEMAS = `
  with own as (
    select 'pg_class'::regclass as class, oid, relnamespace as schema from pg_class where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all select 'pg_proc'::regclass, oid, pronamespace from pg_proc
    union all select 'pg_operator'::regclass, oid, oprnamespace from pg_operator
    union all select 'pg_type'::regclass, oid, typnamespace from pg_type where typtype in ('d', 'e', 'r'))
  select pg_describe_object(class, own.oid, 0) as name from own join pg_namespace n on n.oid = own.schema
  where own.oid >= 16384 and n.oid < 16384 and n.nspname in ('pg_catalog', 'information_schema')
    and not exists (select from pg_depend d where d.classid = own.class and d.objid = own.oid and d.deptype in ('e', 'i'))
  order by 1`;

// those of an operator class are dumped with it, those of an extension come with it
const LOOSE_MEMBERS = `
  with members as (
    select 'pg_amop'::regclass as class, oid, amopfamily as family, 'pg_operator'::regclass as of, amopopr as made from pg_amop
    union all select 'pg_amproc'::regclass, oid, amprocfamily, 'pg_proc'::regclass, amproc::oid from pg_amproc)
  select pg_describe_object(class, m.oid, 0) as name from members m
  where m.oid >= 16384 and m.family < 16384
    and not exists (select from pg_depend d where d.classid = m.class and d.objid = m.oid and d.deptype = 'i')
    and not exists (select from pg_depend d where d.classid = m.of and d.objid = m.made and d.deptype = 'e')
  order by 1`;

const SWITCHED_OFF = `
  select distinct format('%s (%s)', c.conrelid::regclass, c.conname) as name
  from pg_trigger t join pg_constraint c on c.oid = t.tgconstraint
  where t.tgisinternal and t.tgenabled <> 'O' order by 1`;

// initdb gives its owner everything and everybody USAGE
const RIGHTS_ON_INFORMATION = `
  select array_to_string(nspacl, ', ') as name from pg_namespace n
  where nspname = 'information_schema' and (
    exists (select from aclexplode(nspacl) where grantee not in (0, nspowner) or grantee = 0 and (privilege_type <> 'USAGE' or is_grantable))
    or not exists (select from aclexplode(nspacl) where grantee = 0))`;

/** What pg_dump passes over without a word, as sentences: see notRestorable. */
export async function passedOver({ query }: Connection): Promise<string[]> {
  const named = async (sql: string, tell: (names: string) => string) => {
    const names = (await query<{ name: string }>(sql)).map(({ name }) => name);
    const more = names.length > TOLD ? ` and ${names.length - TOLD} more` : '';
    return names.length === 0 ? [] : [tell(names.slice(0, TOLD).join(', ') + more)];
  };
  return [
    ...(await named(
      IN_SYSTEM_SCHEMAS,
      (names) =>
        `what was made in the schemas pg_catalog and information_schema is in no dump: ${names}. Make it in a schema of its own, which search_path names where it has to be found without it`,
    )),
    ...(await named(
      LOOSE_MEMBERS,
      (names) =>
        `what was added to operator families of the server's own is in no dump: ${names}. CREATE OPERATOR CLASS … FAMILY … makes such that are`,
    )),
    ...(await named(
      SWITCHED_OFF,
      (names) =>
        `keys that are not checked, by ALTER TABLE … DISABLE TRIGGER, are checked again once they are restored, and a row that breaks one stops the restore: ${names}. ENABLE TRIGGER ALL ends that; else the same DISABLE TRIGGER after a restore`,
    )),
    ...(await named(
      RIGHTS_ON_INFORMATION,
      (names) =>
        `rights on the schema information_schema are in no dump, and were altered: ${names || 'nobody has any'}. After a restore they are those of a new database, which lets everybody in; GRANT and REVOKE them once more`,
    )),
  ];
}
