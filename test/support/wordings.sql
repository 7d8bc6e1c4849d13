-- Definitions that the server writes in other words once they have been loaded, each wherever a condition can stand.
create type shade as enum ('red', 'green');
create domain kind as varchar(5) default 'a' check (value in ('a', 'b'));
create domain letter as text check (value between 'a' and 'b' and length(value) > 0);
create table wordings (
  a integer check (a between 1 and 5 and a <> 3),
  b integer check (b not between 1 and 5 or b = 3),
  c varchar(10) check (c in ('x', 'y') and (c in ('x', 'z') or c not in ('q', 'r') and length(c) > 1)),
  d timestamptz check (extract('YEAR' from d) > 2000 and extract('Month' from d) > 0),
  e numeric(10, 2) check (e in (1, 2.5) and e::varchar in ('1.00', '2.50')),
  f kind check (f in ('a', 'b')),
  g shade default 'red' check (g in ('red', 'green')),
  h varchar(5) check (h = any (array['a', 'b']::varchar[]) and h = any (array['a'::varchar, 'b'::text])),
  i boolean generated always as (a between 1 and 5 and c in ('x', 'y')) stored,
  l boolean,
  check ((a > 1 and b > 1) and l and (a > 2 and b > 2)),
  check (a between 1 and 5 and b between 1 and 3 and e between 0 and 1 or (l and a between 7 and 8)),
  check ((c in ('a', 'b') or l) or a > 1),
  exclude using btree (a with =) where (a between 1 and 5 and a > 2)
);
create index wordings_by_c on wordings (lower(c)) where a between 1 and 5 and c in ('x', 'y') and l;
create index wordings_by_year on wordings ((extract('YEAR' from d at time zone 'UTC')));
create view wordings_seen as
  select w.*, extract('DOW' from d) as weekday, (a between 1 and 2 and l) is true as mark,
    count(*) filter (where a between 1 and 2 and l) over (order by b rows between 1 preceding and current row) as many,
    case when a between 1 and 2 and l then 'it''s (' else 'no' end as text
  from wordings w
  where exists (select from wordings x where x.a between 1 and 2 and x.l) or c in ('x', 'y') or a between 1 and 5 and l;
create materialized view wordings_kept as
  select a, max(b) as b from wordings where a between 1 and 5 and l group by a having max(b) between 1 and 2 and min(b) > 0;
create function wordings_note() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger wordings_note after update on wordings for each row
  when (old.a between 1 and 2 and new.b > 1 and old.* is distinct from new.*) execute function wordings_note();
create policy wordings_own on wordings using (a between 1 and 5 and l) with check (c in ('x', 'y'));
create rule wordings_quiet as on update to wordings_seen where old.a between 1 and 5 and new.b > 0
  do instead update wordings set b = new.b where a = old.a and c in ('x', 'y');
create function wordings_fit(a integer, c varchar) returns boolean language sql
  begin atomic select a between 1 and 5 and a > 2 or c in ('x', 'y'); end;
insert into wordings (a) values (5);
