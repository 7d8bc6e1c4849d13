import type { Connection } from '../server/connection.ts';

/** A relation that is left out, or its rows. */
interface LeftOut {
  readonly oid: string;
  readonly schema: string;
  readonly relation: string;
  readonly name: string;
}

interface Caller {
  /** `the check known on public.orders`. */
  readonly caller: string;
  /** The oid of the function. */
  readonly fn: string;
  /** `rows`: works for each row that is loaded; `place`: once the rows are there; `later`: nothing of a load. */
  readonly when: 'rows' | 'place' | 'later';
}

const IS_EXTENSIONS = (catalog: string, oid: string) =>
  `exists (select from pg_depend x where x.classid = '${catalog}'::regclass and x.objid = ${oid} and x.deptype = 'e')`;

// What of a table calls functions. Without the rows of a table ($1), or the table, nothing is called for them.
const CALLERS = `
  select format('the check %I on %s', k.conname, coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text)) as caller,
    d.refobjid::text as fn, 'rows' as "when"
  from pg_depend d join pg_constraint k on k.oid = d.objid and k.contype = 'c'
  where d.classid = 'pg_constraint'::regclass and d.refclassid = 'pg_proc'::regclass and not k.conrelid = any ($1::oid[])
    and d.refobjid >= 16384
  union select format('the generated column %I of %s', a.attname, x.adrelid::regclass), d.refobjid::text, 'rows'
  from pg_depend d join pg_attrdef x on x.oid = d.objid join pg_attribute a on a.attrelid = x.adrelid and a.attnum = x.adnum
  where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_proc'::regclass and to_jsonb(a)->>'attgenerated' = 's'
    and not x.adrelid = any ($1::oid[]) and d.refobjid >= 16384
  union select format('the index %s', i.indexrelid::regclass), d.refobjid::text, 'place'
  from pg_depend d join pg_index i on i.indexrelid = d.objid
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_proc'::regclass and not i.indrelid = any ($1::oid[])
    and d.refobjid >= 16384
  union select format('the materialized view %s', c.oid::regclass), d.refobjid::text, 'place'
  from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class and c.relkind = 'm'
  where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_proc'::regclass and not c.oid = any ($1::oid[])
    and d.refobjid >= 16384
  union select format('the trigger %I on %s', t.tgname, t.tgrelid::regclass), t.tgfoid::text, 'later'
  from pg_trigger t where not t.tgisinternal and not t.tgrelid = any ($2::oid[]) and t.tgfoid >= 16384
  order by 1`;

const FUNCTIONS = `
  select p.oid::text as oid, p.proname as name, p.prosrc as body,
    array(select d.refobjid::text from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
      and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)) as needs
  from pg_proc p join pg_language l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
  where p.oid >= 16384 and not ${IS_EXTENSIONS('pg_proc', 'p.oid')}`;

interface UsersFunction {
  readonly oid: string;
  readonly name: string;
  readonly body: string;
  /** What the catalog notes of it: of bodies that were parsed when they were made. */
  readonly needs: readonly string[];
}

/**
 * What stays in a dump and works, by functions, with what is left out of it. Texts of functions are read, for the catalog does
 * not note what they do: so it is told of, and not refused.
 *
 * @returns sentences
 */
export async function needingCode(
  connection: Connection,
  { gone, emptied }: { gone: readonly LeftOut[]; emptied: readonly LeftOut[] },
): Promise<string[]> {
  const oids = (of: readonly LeftOut[]) => of.map(({ oid }) => oid);
  const callers = await connection.query<Caller & Record<string, unknown>>(CALLERS, [
    [...oids(gone), ...oids(emptied)],
    oids(gone),
  ]);
  if (callers.length === 0) return [];
  const functions = await connection.query<UsersFunction & Record<string, unknown>>(FUNCTIONS);
  const byGone = reaching(functions, gone);
  const byAny = reaching(functions, [...gone, ...emptied]);
  const named = (moments: readonly Caller['when'][], reached: ReadonlyMap<string, string>) => [
    ...new Set(
      callers
        .filter(({ when }) => moments.includes(when))
        .flatMap(({ caller, fn }) => {
          const to = reached.get(fn);
          return to === undefined ? [] : [`${caller} (${to})`];
        }),
    ),
  ];
  // an index or a materialized view is made of what is there, as long as there is something
  const loaded = [...named(['rows'], byAny), ...named(['place'], byGone)];
  const later = named(['later'], byGone);
  return [
    ...(loaded.length === 0
      ? []
      : [
          `what stays in the backup calls functions that work with what is left out of it, and a restore may fail by that, or give other values: ${loaded.join('; ')}. Take that pattern back, or leave out what calls them too; restore --without-broken gives the rest`,
        ]),
    ...(later.length === 0
      ? []
      : [
          `triggers that stay in the backup work with tables that are left out of it, and after a restore the changes that set them off fail until those are made: ${later.join('; ')}`,
        ]),
  ];
}

/** The functions that come to one of these, themselves or through others, with what they come to. */
function reaching(functions: readonly UsersFunction[], to: readonly LeftOut[]): Map<string, string> {
  const reached = new Map<string, string>();
  if (to.length === 0) return reached;
  const byOid = new Map(to.map(({ oid, name }) => [oid, name]));
  const texts = functions.map((each) => ({ ...each, text: withoutComments(each.body) }));
  let calls: RegExp | undefined;
  let found: Map<string, string>;
  do {
    found = new Map();
    for (const { oid, needs, text } of texts) {
      if (reached.has(oid)) continue;
      const noted = needs.map((need) => byOid.get(need) ?? reached.get(need)).find((name) => name !== undefined);
      const direct = noted ?? to.find((each) => worksWith(text, each))?.name;
      const called = direct === undefined && calls ? calls.exec(text)?.[1] : undefined;
      const through = called === undefined ? undefined : texts.find((f) => f.name === called && reached.has(f.oid));
      const name = direct ?? (through && reached.get(through.oid));
      if (name !== undefined) found.set(oid, name);
    }
    for (const [oid, name] of found) reached.set(oid, name);
    const names = texts.filter(({ oid }) => reached.has(oid)).map(({ name }) => plain(name));
    calls = names.length === 0 ? undefined : new RegExp(`(?<![\\w$])(${names.join('|')})"?\\s*\\(`);
  } while (found.size > 0);
  return reached;
}

const withoutComments = (body: string) => body.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g, ' ');
const plain = (name: string) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a function's text, without comments, reads or changes this relation, with its schema or without. */
export function worksWith(text: string, { schema, relation }: Pick<LeftOut, 'schema' | 'relation'>): boolean {
  const spelled = (name: string) => `(?:"${plain(name.replaceAll('"', '""'))}"|${plain(name)})`;
  const named = `(?:only\\s+)?(?:${spelled(schema)}\\s*\\.\\s*)?${spelled(relation)}(?![\\w$".])`;
  // a function may be read from, too
  return new RegExp(`\\b(?:(?:into|update|table|using)\\s+${named}|(?:from|join)\\s+${named}(?!\\s*\\())`, 'i').test(
    text,
  );
}
