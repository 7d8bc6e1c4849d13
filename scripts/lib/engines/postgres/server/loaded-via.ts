/**
 * For a relation `c`: the partitioned table through which its rows are loaded, where they may belong into another
 * partition after a restore. An enum's values hash by their OIDs, which are others in another database; pg_dump does
 * the same. For PostgreSQL 12 and newer; gives no row for any other relation.
 */
export const LOADED_VIA = `
  select rn.nspname as schema, r.relname as relation, format('%I.%I', rn.nspname, r.relname) as name
  from pg_catalog.pg_class r join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
  where c.relispartition and r.oid = pg_catalog.pg_partition_root(c.oid) and exists (
    select from pg_catalog.pg_partition_ancestors(c.oid) up
    join pg_catalog.pg_partitioned_table p on p.partrelid = up.relid
    join pg_catalog.pg_opclass o on o.oid = any (p.partclass)
    where p.partstrat = 'h' and o.opcname = 'enum_ops')`;
