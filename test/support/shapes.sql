-- Everything about tables that a dump in several streams could get wrong, beside what example.sql has.
create extension file_fdw;
create schema "odd ""schema"; create schema "line
break";

-- names that would end a quote, a line or a statement somewhere
create table "odd ""schema"."a'b;c\d$$e" ("x y" int, "select" text, "ünï" text, "new
line" text);
insert into "odd ""schema"."a'b;c\d$$e" values (1, 'a', 'ä', E'1\n2'), (2, null, E'\\.', E'\\N');
create table "line
break"."t FROM stdin;
2" (a int);
insert into "line
break"."t FROM stdin;
2" select generate_series(1, 3);
create table "-- rows follow: after 1" (a text);
insert into "-- rows follow: after 1" values (E'\\.'), ('-- rows follow: after 1'), (''), (null), (E'\n\\.\n');

-- columns: dropped, generated, identity, none at all, and an order that is not that of the parent's
create table columns (gone int, a int, b int generated always as (a * 2) stored, c int generated always as identity, d text default 'd');
alter table columns drop column gone;
insert into columns (a, d) values (1, 'x'), (2, default), (null, null);
create table only_generated (b int generated always as (7) stored);
insert into only_generated default values;
create table parted (id int, k text, v text) partition by list (k);
create table parted_a partition of parted for values in ('a');
create table parted_b (v text, extra_dropped int, k text, id int);
alter table parted_b drop column extra_dropped;
alter table parted attach partition parted_b for values in ('b');
create table parted_rest partition of parted default partition by hash (id);
create table parted_rest_0 partition of parted_rest for values with (modulus 2, remainder 0);
create table parted_rest_1 partition of parted_rest for values with (modulus 2, remainder 1);
insert into parted select n, chr(97 + n % 4), 'v' || n from generate_series(1, 400) n;
alter table parted add primary key (id, k);
create index on parted (v);
create table refers_to_parted (id int, k text, foreign key (id, k) references parted);
insert into refers_to_parted select id, k from parted limit 10;

-- tables that refer to each other, and to themselves
create table hens (id int primary key, egg int);
create table eggs (id int primary key, hen int references hens);
alter table hens add foreign key (egg) references eggs deferrable initially deferred;
begin; insert into hens select n, n from generate_series(1, 50) n; insert into eggs select n, n from generate_series(1, 50) n; commit;
create table tree (id int primary key, parent int references tree);
insert into tree select n, nullif(n / 2, 0) from generate_series(1, 100) n;
create table unchecked (id int);
insert into unchecked values (-1);
alter table unchecked add constraint positive check (id > 0) not valid;
alter table unchecked add constraint unchecked_hen foreign key (id) references hens not valid;
comment on constraint unchecked_hen on unchecked is 'left as it is';

-- without a key, with doubles; unlogged, with a sequence; foreign
create table doubles (a int);
insert into doubles select n % 3 from generate_series(1, 30) n;
create unlogged table counters (id serial, n int);
insert into counters (n) select generate_series(1, 20);
create server files foreign data wrapper file_fdw;
create foreign table passwords (line text) server files options (filename '/nonexistent');

-- what is built upon tables, and upon one another
create materialized view first as select a % 5 as a, count(*) as n from columns group by 1 with data;
create materialized view second as select sum(n) as n from first with data;
create unique index on first (a);
create materialized view never_filled as select 1 as one with no data;
create view by_key as select id, egg, count(*) as n from hens group by id;
create function hens_of(int) returns bigint stable begin atomic select n from by_key where id = $1; select case when $1 > 0 then 1 else 0 end; end;
create rule no_deletes as on delete to doubles do instead nothing;
create rule noted as on update to doubles do also (delete from unchecked where id = old.a; update unchecked set id = new.a);
create statistics pair on a, d from columns;
create index expression on columns ((lower(d))) where a is not null;
create index by_a on columns (a);
cluster columns using by_a;
alter table hens replica identity using index hens_pkey;
create table ranges (r int4range, exclude using gist (r with &&));
insert into ranges select int4range(n, n + 1) from generate_series(1, 20) n;
create publication everything for all tables;
create function noted() returns event_trigger language plpgsql as $$ begin null; end $$;
create event trigger notes on ddl_command_end execute function noted();
alter table hens disable trigger all;
comment on index expression is E'a; comment\n--\n-- Name: x; Type: INDEX; Schema: public; Owner: x\n--\n';
create policy mine on doubles using (a > 0);
alter table doubles enable row level security, force row level security;
