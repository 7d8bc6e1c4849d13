import type { Connection } from '../server/connection.ts';

/** Something that stays and needs what goes. */
export interface Reference {
  /** `view public.open_orders`, `constraint orders_customer_fkey on table public.orders`. */
  readonly referring: string;
  /** `table public.customers`. */
  readonly to: string;
  readonly why: string;
}

/** The relation that an object is a part of, or the object itself. */
const OWNER = `
  coalesce(
    case d.classid
      when 'pg_constraint'::regclass then (select nullif(conrelid, 0) from pg_constraint where oid = d.objid)
      when 'pg_attrdef'::regclass then (select adrelid from pg_attrdef where oid = d.objid)
      when 'pg_rewrite'::regclass then (select ev_class from pg_rewrite where oid = d.objid)
      when 'pg_trigger'::regclass then (select tgrelid from pg_trigger where oid = d.objid)
      when 'pg_policy'::regclass then (select polrelid from pg_policy where oid = d.objid)
      when 'pg_statistic_ext'::regclass then (select stxrelid from pg_statistic_ext where oid = d.objid)
      when 'pg_class'::regclass then coalesce((select indrelid from pg_index where indexrelid = d.objid), d.objid)
      when 'pg_type'::regclass then coalesce((select nullif(typrelid, 0) from pg_type where oid = d.objid), 0)
    end, 0)`;

/** What an extension brings is said by the extension. */
const OF_EXTENSION = (catalog: string, alias: string) =>
  `exists (select from pg_depend x where x.classid = '${catalog}'::regclass and x.objid = ${alias}.oid and x.deptype = 'e')`;

/** Views and functions, tables that inherit or have such a column, foreign keys, defaults, policies. */
const NEEDED = `
  with gone (oid) as (select unnest($1::oid[])),
  parts (class, oid) as (
    select 'pg_class'::regclass::oid, oid from gone
    union select 'pg_class'::regclass, d.objid from pg_depend d join gone on gone.oid = d.refobjid
      where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    union select 'pg_type'::regclass, t.oid from pg_type t join gone on gone.oid = t.typrelid
    union select 'pg_type'::regclass, t.typarray from pg_type t join gone on gone.oid = t.typrelid
    union select 'pg_type'::regclass, t.oid from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = any ($2)
      and not ${OF_EXTENSION('pg_type', 't')}
    union select 'pg_proc'::regclass, p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any ($2)
      and not ${OF_EXTENSION('pg_proc', 'p')}
    -- collations, operators, configurations of text search: whatever lies in a schema notes that it does
    union select d.classid, d.objid from pg_depend d join pg_namespace n on n.oid = d.refobjid and d.refclassid = 'pg_namespace'::regclass
      where n.nspname = any ($2) and d.classid <> 'pg_extension'::regclass and d.deptype = 'n'
        and not exists (select from pg_depend x where x.classid = d.classid and x.objid = d.objid and x.deptype = 'e')
    -- and what makes up its families of operators
    union select 'pg_amop'::regclass, a.oid from pg_amop a join pg_opfamily f on f.oid = a.amopfamily
      join pg_namespace n on n.oid = f.opfnamespace where n.nspname = any ($2)
    union select 'pg_amproc'::regclass, a.oid from pg_amproc a join pg_opfamily f on f.oid = a.amprocfamily
      join pg_namespace n on n.oid = f.opfnamespace where n.nspname = any ($2)),
  needed as (
    select d.classid, d.objid, d.refclassid, d.refobjid, ${OWNER} as owner
    from pg_depend d join parts p on p.class = d.refclassid and p.oid = d.refobjid
    where d.deptype in ('n', 'a') and d.classid <> 'pg_publication_rel'::regclass)
  select distinct
    case when classid = 'pg_rewrite'::regclass then pg_describe_object('pg_class'::regclass, owner, 0)
      else pg_describe_object(classid, objid, 0) end as referring,
    pg_describe_object(refclassid, refobjid, 0) as to, 'needs it' as why
  from needed
  where not exists (select from parts where class = 'pg_class'::regclass and oid = needed.owner)
    and not exists (select from parts join pg_constraint k on k.contypid = parts.oid
      where class = 'pg_type'::regclass and needed.classid = 'pg_constraint'::regclass and k.oid = needed.objid)
    and not exists (select from parts where class = needed.classid and oid = needed.objid)
    and not (classid = 'pg_type'::regclass and exists (select from parts where class = 'pg_type'::regclass and oid = needed.objid))
  union
  select 'extension ' || quote_ident(e.extname), 'schema ' || quote_ident(n.nspname), 'lies in it'
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace where n.nspname = any ($2)
  order by 2, 1`;

/** Foreign keys that rows without those that they refer to would break. */
const BROKEN_KEYS = `
  select format('constraint %I on table %s', k.conname, k.conrelid::regclass) as referring,
    'the data of table ' || k.confrelid::regclass as to, 'refers to its rows' as why
  from pg_constraint k
  where k.contype = 'f' and k.convalidated and k.confrelid = any ($1::oid[]) and not k.conrelid = any ($2::oid[])
  order by 2, 1`;

/** Materialized views that are filled from one without rows, be it through views: that cannot be read. */
const UNFILLED = `
  with recursive reading (oid, "from") as (
    select w.ev_class, d.refobjid from pg_depend d join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    where d.refclassid = 'pg_class'::regclass and d.refobjid = any ($1::oid[]) and w.ev_class <> d.refobjid
      and exists (select from pg_class c where c.oid = d.refobjid and c.relkind = 'm')
    union select w.ev_class, r."from" from reading r join pg_class v on v.oid = r.oid and v.relkind = 'v'
      join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid
      join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid and w.ev_class <> v.oid)
  select distinct 'materialized view ' || r.oid::regclass as referring, 'the data of materialized view ' || r."from"::regclass as to,
    'reads it' as why
  from reading r join pg_class c on c.oid = r.oid and c.relkind = 'm' where not r.oid = any ($2::oid[])
  order by 2, 1`;

/** What stays in a dump and could not be restored without what is left out of it. */
export async function referencesTo(
  connection: Connection,
  { gone, emptied, schemas }: { gone: readonly string[]; emptied: readonly string[]; schemas: readonly string[] },
): Promise<Reference[]> {
  const needed =
    gone.length + schemas.length === 0
      ? []
      : await connection.query<Reference & Record<string, unknown>>(NEEDED, [gone, schemas]);
  const keys =
    emptied.length === 0
      ? []
      : await connection.query<Reference & Record<string, unknown>>(BROKEN_KEYS, [emptied, [...gone, ...emptied]]);
  const unfilled =
    emptied.length === 0
      ? []
      : await connection.query<Reference & Record<string, unknown>>(UNFILLED, [emptied, [...gone, ...emptied]]);
  return [...needed, ...keys, ...unfilled];
}
