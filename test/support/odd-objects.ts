/** Something rare that a database may hold, and how a copy of it may be wrong in silence. */
export interface Odd {
  /** Makes it; `DB` stands for the database's own name. */
  readonly make: string;
  /** Takes something of it away in the copy. */
  readonly harm: string;
  /** What the proof says of that. */
  readonly says: RegExp;
}

/** Roles that own and are granted, made once for a server. */
export const ROLES = `do $$ declare r text; begin
  foreach r in array array['odd_owner', 'odd_reader', 'odd_clerk'] loop
    if to_regrole(r) is null then execute format('create role %I', r); end if;
  end loop; end $$;`;

/** Settings of the database under which the rest is made. */
export const SETTINGS = `alter database DB set bytea_output = 'escape'; alter database DB set app.most = '10'; alter database DB set "DateStyle" = 'SQL, DMY';
  alter role current_user in database DB set app.role_most = '20'`;

/** Values that a text, a session or a conversion may change. */
export const VALUES: Readonly<Record<string, Odd>> = {
  'not a number, infinities, a negative zero and the smallest numbers': {
    make: `create table floats (id int primary key, f8 float8, f4 float4, n numeric, d date, t timestamptz, i interval);
      insert into floats values (1, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', '1 mon -1 day +00:00:01'),
        (2, '-0', '1e-45', '-1e-130', '4713-01-01 BC', '0044-03-15 12:00:00 BC', '-178000000 years'),
        (3, 5e-324, 3.4028235e38, 1e130, '5874897-12-31', '294276-12-31 23:59:59.999999+00', '00:00:00.000001');`,
    harm: 'update floats set f8 = 0 where id = 2',
    says: /table public\.floats differs: id=2 differs in f8/,
  },
  'a json with a key twice and its own spaces': {
    make: `create table docs (id int primary key, j json); insert into docs values (1, '{"a":1, "a":2 ,	"b":[ ]}');`,
    harm: 'update docs set j = j::jsonb::json',
    says: /table public\.docs differs: id=1 differs in j/,
  },
  'xml that is no document': {
    make: `create table papers (id int primary key, x xml); insert into papers values (1, xmlparse(content 'text <a b="ü"/> <!-- c --> more'));`,
    harm: `update papers set x = xmlparse(content 'text <a b="ü"/> more')`,
    says: /table public\.papers differs: id=1 differs in x/,
  },
  'an array that begins at two, with a NULL and the word NULL': {
    make: `create table arrays (id int primary key, a int[], b text[]);
      insert into arrays values (1, '[2:3][-1:0]={{1,2},{3,4}}', '{NULL,"NULL","",",",\\"}'), (2, '[5:6]={1,2}', '{}');`,
    harm: 'update arrays set a = a[5:6] where id = 2',
    says: /table public\.arrays differs: id=2 differs in a/,
  },
  'a composite value of a type that lost an attribute': {
    make: `create type pair as (a int, gone text, b text); alter type pair drop attribute gone;
      create table pairs (id int primary key, p pair, many pair[]); insert into pairs values (1, row(1, 'x,"y'), array[row(2, null)::pair]);`,
    harm: `update pairs set p.b = 'x,y'`,
    says: /table public\.pairs differs: id=1 differs in p/,
  },
  'ranges, multiranges and an empty one': {
    make: `create type spans as range (subtype = float8, subtype_diff = float8mi);
      create table spanned (id int primary key, r spans, m int4multirange, t tstzrange);
      insert into spanned values (1, '[-0,1.5)', '{[1,2),[5,7)}', '(,infinity)'), (2, 'empty', '{}', '[2020-01-01,)');`,
    harm: `update spanned set t = '(,)' where id = 1`,
    says: /table public\.spanned differs: id=1 differs in t/,
  },
  'bytes and letters that a session may spell otherwise': {
    make: `create table bytes (id int primary key, b bytea, t text);
      insert into bytes values (1, '\\x005c27ff0a', E'\\\\N \\\\. \\r\\n\\x01\\u2028😀');`,
    harm: `update bytes set b = '\\x005c27fe0a'`,
    says: /table public\.bytes differs: id=1 differs in b/,
  },
  'rows without columns': {
    make: 'create table nothing (); insert into nothing default values; insert into nothing default values;',
    harm: 'insert into nothing default values',
    says: /table public\.nothing differs \(3 rows, expected 2\)/,
  },
  'a table of 1,500 columns': {
    make: `do $$ begin
        execute (select 'create table wide (' || string_agg('c' || n || ' int', ',') || ')' from generate_series(1, 1500) n);
        execute (select 'insert into wide values (' || string_agg(n::text, ',') || ')' from generate_series(1, 1500) n);
      end $$;`,
    harm: 'update wide set c1499 = null',
    says: /table public\.wide differs: row 1/,
  },
  'a sequence that counts down, of a small type, owned by a column of another table': {
    make: `create table owners (id int primary key, n smallint);
      create sequence down as smallint increment -7 minvalue -1000 maxvalue 200 start 100 cache 5 cycle owned by owners.n;
      select nextval('down'), nextval('down');`,
    harm: `select setval('down', 93, false)`,
    says: /sequence public\.down: 93, not called, expected /,
  },
  'an identity that stands where no row is': {
    make: `create table identities (id bigint generated always as identity (start 50 increment 10), v text);
      insert into identities (id, v) overriding system value values (9000, 'x'); alter table identities alter id set no maxvalue;`,
    harm: `select setval('identities_id_seq', 60)`,
    says: /sequence public\.identities_id_seq: 60, called, expected 50, not called/,
  },
  'a large object with an owner, a comment and rights of its own': {
    make: `select lo_from_bytea(770001, '\\x00ff'); alter large object 770001 owner to odd_owner;
      grant select on large object 770001 to odd_reader; comment on large object 770001 is 'seen by readers';`,
    harm: 'revoke select on large object 770001 from odd_reader',
    says: /LARGE OBJECT 770001 lacks: GRANT SELECT ON LARGE OBJECT 770001 TO odd_reader/,
  },
};

/** Definitions. */
export const DEFINITIONS: Readonly<Record<string, Odd>> = {
  'a domain whose check reads a setting': {
    make: `create domain limited as int check (value <= current_setting('app.most')::int);
      create table limits (id int primary key, n limited); insert into limits values (1, 10);`,
    harm: 'alter domain limited drop constraint limited_check',
    says: /DOMAIN public\.limited: /,
  },
  'a domain whose check reads a setting of who loads it': {
    make: `create domain role_limited as int check (value <= current_setting('app.role_most')::int);
      create table role_limits (id int primary key, n role_limited); insert into role_limits values (1, 20);`,
    harm: 'alter domain role_limited drop constraint role_limited_check',
    says: /DOMAIN public\.role_limited: /,
  },
  'a cast': {
    make: `create type celsius as (d float8); create function celsius_of(float8) returns celsius language sql immutable as 'select row($1)::celsius';
      create cast (float8 as celsius) with function celsius_of(float8) as assignment;`,
    harm: 'drop cast (float8 as celsius)',
    says: /CAST .* lacks: CREATE CAST/,
  },
  'an operator class, and the index that goes by it': {
    make: `create function int_after(int, int) returns int language sql immutable strict as 'select btint4cmp($2, $1)';
      create operator class int_reversed for type int4 using btree as operator 1 >, operator 2 >=, operator 3 =, operator 4 <=, operator 5 <, function 1 int_after(int, int);
      create table reversed (id int); insert into reversed values (1), (2); create index reversed_by_id on reversed (id int_reversed);`,
    harm: 'drop index reversed_by_id; create index reversed_by_id on reversed (id)',
    says: /INDEX public\.reversed_by_id: /,
  },
  'an operator with its estimators and commutator': {
    make: `create function near(int, int) returns boolean language sql immutable as 'select abs($1 - $2) < 3';
      create operator ~~~ (function = near, leftarg = int, rightarg = int, commutator = ~~~, restrict = eqsel, join = eqjoinsel);
      comment on operator ~~~ (int, int) is 'near';`,
    harm: 'alter operator ~~~ (int, int) set (restrict = none)',
    says: /OPERATOR public\.~~~: /,
  },
  'columns that a parent got later than its child': {
    make: `create table elders (a int); create table children (b int) inherits (elders); alter table elders add c int default 7;
      insert into children values (1, 2, 3); create table twins (x int default 1) inherits (elders, children); alter table twins alter a set default 9;
      insert into twins default values; alter table only elders drop column a; alter table children drop column b;`,
    harm: 'alter table children no inherit elders',
    says: /TABLE public\.children: |TABLE public\.children has besides/,
  },
  'row security that is forced, restrictive and for one role': {
    make: `create table secured (id int); insert into secured values (1); alter table secured enable row level security, force row level security;
      create policy narrow on secured as restrictive for select to odd_reader using (id > 0);`,
    harm: 'alter policy narrow on secured to public',
    says: /POLICY public\.secured narrow: /,
  },
  'a publication with columns and a filter': {
    make: `create table published (id int primary key, secret text, open text);
      create publication chosen for table published (id, open) where (id > 5) with (publish = 'insert, truncate', publish_via_partition_root);`,
    harm: 'alter publication chosen set table published (id, open)',
    says: /PUBLICATION TABLE public\.chosen published: /,
  },
  'statistics of expressions, and their targets': {
    make: `create table measured (a int, b text); create statistics measured_pair (ndistinct, mcv) on (a % 10), lower(b) from measured;
      alter statistics measured_pair set statistics 50; alter table measured alter a set statistics 500; alter table measured alter b set (n_distinct = -0.5);`,
    harm: 'alter table measured alter a set statistics -1',
    says: /TABLE public\.measured lacks: ALTER TABLE ONLY public\.measured ALTER COLUMN a SET STATISTICS 500/,
  },
  'a view that asks with the rights of who reads it': {
    make: `create view invoked with (security_invoker = true, security_barrier = true) as select 1 as id;
      create view checked_view as select id from owners where id > 0 with cascaded check option;`,
    harm: 'alter view invoked reset (security_invoker)',
    says: /VIEW public\.invoked: /,
  },
  'a sequence that somebody else owns': {
    make: 'create sequence lent; alter sequence lent owner to odd_owner; grant usage on sequence lent to odd_clerk;',
    harm: 'alter sequence lent owner to current_user',
    says: /SEQUENCE public\.lent: .*expected .*odd_owner|ACL public\.SEQUENCE lent|SEQUENCE public\.lent lacks: ALTER (TABLE|SEQUENCE) public\.lent OWNER TO odd_owner/,
  },
  'rights that every new table and function has': {
    make: `create schema given; alter default privileges for role odd_owner in schema given grant select on tables to odd_reader;
      alter default privileges for role odd_owner revoke execute on functions from public;`,
    harm: 'alter default privileges for role odd_owner grant execute on functions to public',
    says: /DEFAULT ACL .* lacks: ALTER DEFAULT PRIVILEGES/,
  },
  'an event trigger that is switched off': {
    make: `create function on_ddl() returns event_trigger language plpgsql as 'begin null; end';
      create event trigger asleep on ddl_command_end when tag in ('CREATE TABLE') execute function on_ddl(); alter event trigger asleep disable;`,
    harm: 'alter event trigger asleep enable',
    says: /EVENT TRIGGER asleep/,
  },
  'triggers that fire never, always or for copies alone, and one that waits': {
    make: `create table fired (id int); create function fires() returns trigger language plpgsql as 'begin return new; end';
      create trigger never before insert on fired for each row execute function fires(); alter table fired disable trigger never;
      create trigger ever before update of id on fired for each row when (new.id > 0) execute function fires(); alter table fired enable always trigger ever;
      create trigger copied before delete on fired for each row execute function fires(); alter table fired enable replica trigger copied;
      create constraint trigger waits after insert on fired deferrable initially deferred for each row execute function fires();`,
    harm: 'alter table fired enable trigger never',
    says: /TRIGGER public\.fired never lacks: ALTER TABLE public\.fired DISABLE TRIGGER never/,
  },
  'a rule that is switched off': {
    make: `create table ruled (id int); create rule quiet as on delete to ruled do instead nothing; alter table ruled disable rule quiet;`,
    harm: 'alter table ruled enable rule quiet',
    says: /public\.ruled.*DISABLE RULE quiet/,
  },
  'an unlogged table': {
    make: 'create unlogged table passing (id serial primary key, v text); insert into passing (v) values (1), (2);',
    harm: 'alter table passing set logged',
    says: /TABLE public\.passing: CREATE TABLE .*, expected CREATE UNLOGGED TABLE/,
  },
  'a collation to which letters are equal that are not': {
    make: `create collation same_letters (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table letters (t text collate same_letters unique); insert into letters values ('Ä'), ('b');`,
    harm: 'alter table letters alter t type text collate "C"',
    says: /TABLE public\.letters: /,
  },
  'keys in a circle that wait for the end of a transaction': {
    make: `create table day_shift (id int primary key, after int); create table night_shift (id int primary key, after int references day_shift on update cascade on delete set null);
      alter table day_shift add constraint day_after foreign key (after) references night_shift match full deferrable initially deferred;
      begin; insert into day_shift values (1, 1); insert into night_shift values (1, 1); commit;`,
    harm: 'alter table day_shift alter constraint day_after not deferrable',
    says: /FK CONSTRAINT public\.day_shift day_after: /,
  },
  'dictionaries and mappings of a text search': {
    make: `create text search dictionary short_words (template = pg_catalog.simple, stopwords = english, accept = false);
      create text search configuration sparse (copy = pg_catalog.english); alter text search configuration sparse alter mapping for asciiword with short_words, english_stem;
      alter text search configuration sparse drop mapping for url;
      create table sought (id int primary key, body text, words tsvector generated always as (to_tsvector('public.sparse', body)) stored); insert into sought values (1, 'the running dogs http://x.org/y');
      create index sought_words on sought using gin (words) with (fastupdate = off);`,
    harm: 'alter text search configuration sparse alter mapping for asciiword with english_stem',
    says: /TEXT SEARCH CONFIGURATION public\.sparse: /,
  },
  'a foreign table, its server and whom it logs in as': {
    make: `create extension file_fdw; create foreign data wrapper idle options (debug 'x'); create server away type 't' version '1' foreign data wrapper file_fdw;
      create server nowhere foreign data wrapper idle options (host 'h''s'); create user mapping for odd_clerk server nowhere options ("user" 'me', password 'p''w');
      create foreign table lines (line text options (force_not_null 'true')) server away options (filename '/nonexistent', format 'csv');`,
    harm: `alter user mapping for odd_clerk server nowhere options (set "user" 'somebody')`,
    says: /USER MAPPING .*odd_clerk/,
  },
  'functions with a path, a cost and words of their own': {
    make: `create function guarded(variadic a int[] default '{1}', out n int) security definer leakproof cost 7 parallel safe set search_path = public, "odd $x" set app.x = 'a''b,c' language sql as 'select $1[1]';
      create function atomic(a int) returns int language sql begin atomic select case when a > 0 then 1 else 0 end; end;
      create function between_days(begin date, "end" date, atomic int) returns int language sql immutable as 'select "end" - begin';
      create procedure done(inout a int) language plpgsql as $p$ begin a := a + 1; commit; end $p$;
      create aggregate total (int) (sfunc = int4pl, stype = int, initcond = '0', combinefunc = int4pl, parallel = safe);`,
    harm: 'alter function guarded(int[]) reset search_path',
    says: /FUNCTION public\.guarded\(/,
  },
  'how a column is kept, and who may read it alone': {
    make: `create table kept (id int primary key, a text, b text compression lz4) with (fillfactor = 40, toast.autovacuum_enabled = off);
      alter table kept alter a set storage external; grant select (a) on kept to odd_reader with grant option; comment on column kept.a is 'for readers';`,
    harm: 'revoke select (a) on kept from odd_reader',
    says: /ACL .*kept.* lacks: GRANT SELECT\(a\) ON TABLE public\.kept TO odd_reader WITH GRANT OPTION/,
  },
  'a unique index to which two NULLs are the same': {
    make: `create table once (a int, b int, c int); insert into once values (1, null, 1); create unique index once_ab on once (a, b) include (c) nulls not distinct where c > 0;`,
    harm: 'drop index once_ab; create unique index once_ab on once (a, b) include (c) where c > 0',
    says: /INDEX public\.once_ab: /,
  },
  'what a replica is told of a row': {
    make: 'create table told (id int); alter table told replica identity full;',
    harm: 'alter table told replica identity nothing',
    says: /TABLE public\.told: .*NOTHING.*, expected .*FULL/,
  },
  'values of an enum in an order of their own': {
    make: `create type stages as enum ('b', 'c'); alter type stages add value 'a' before 'b'; alter type stages add value 'b''b' after 'b';
      create table staged (s stages primary key); insert into staged values ('b');`,
    harm: `alter type stages rename value 'c' to 'd'`,
    says: /TYPE public\.stages: /,
  },
  'an access method of its own': {
    make: `create access method other_heap type table handler heap_tableam_handler; create table elsewhere (id int) using other_heap; insert into elsewhere values (1);`,
    harm: 'alter table elsewhere set access method heap',
    says: /TABLE public\.elsewhere: /,
  },
  'a conversion, and a table of a type': {
    make: `create conversion mine for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8; create type things as (id int, v text);
      create table typed of things (primary key (id), v with options not null default 'x'); insert into typed values (1);`,
    harm: 'drop conversion mine',
    says: /CONVERSION public\.mine lacks: CREATE CONVERSION/,
  },
  'rights that were taken from everybody, of the system and of a language': {
    make: `revoke execute on function pg_catalog.pg_sleep(double precision) from public; grant execute on function pg_catalog.pg_sleep(double precision) to odd_clerk;
      revoke usage on language plpgsql from public; revoke all on schema public from public; grant usage on type pair to odd_reader;`,
    harm: 'grant execute on function pg_catalog.pg_sleep(double precision) to public',
    says: /ACL .*pg_sleep.* lacks: REVOKE/,
  },
  'a right that was handed on by whom it was granted to': {
    make: `create table handed (id int); grant usage on schema public to odd_reader; grant select on handed to odd_reader with grant option; set role odd_reader; grant select on handed to odd_clerk; reset role;`,
    harm: 'revoke select on handed from odd_reader cascade; grant select on handed to odd_reader with grant option; grant select on handed to odd_clerk',
    says: /ACL public\.TABLE handed/,
  },
  'comments on what nobody looks at': {
    make: `comment on constraint limited_check on domain limited is 'as set'; comment on cast (float8 as celsius) is 'c'; comment on policy narrow on secured is 'p';
      comment on text search dictionary short_words is 't'; comment on access method other_heap is 'a'; comment on language plpgsql is 'mine'; comment on schema public is null;`,
    harm: `comment on policy narrow on secured is null`,
    says: /COMMENT .*narrow/,
  },
};

/** Tables whose rows can be loaded only after those of another, whatever their size: pg_dump's own order does it. */
export const IN_ORDER = `
  create table b_known (id int primary key); insert into b_known values (1), (2);
  create function is_known(int) returns boolean language sql stable as 'select exists (select from public.b_known where id = $1)';
  create function kind_of(int) returns text language sql immutable as 'select case when (select count(*) from public.b_known where id = $1) > 0 then ''known'' else ''new'' end';
  create domain known as int check (is_known(value)); create domain known_again as known check (value > 0);
  create type holder as (k known);
  create table c_again (id int, k known_again, v text); insert into c_again select n, 1, repeat('x', 100) from generate_series(1, 500) n;
  create table c_arrays (id int, k known[], v text); insert into c_arrays select n, '{1,2}', repeat('x', 100) from generate_series(1, 500) n;
  create table c_holders (id int, k holder, v text); insert into c_holders select n, row(2::known)::holder, repeat('x', 100) from generate_series(1, 500) n;
  create table c_parts (id int, v text) partition by list (kind_of(id));
  create table c_parts_known partition of c_parts for values in ('known'); create table c_parts_new partition of c_parts for values in ('new');
  insert into c_parts select n, repeat('x', 100) from generate_series(1, 500) n;`;

/** What belongs to the database as a whole. */
export const OF_THE_DATABASE: Readonly<Record<string, Odd>> = {
  'a setting for everybody': {
    make: `alter database DB set log_statement = 'ddl'; alter database DB set idle_session_timeout = '7min'; alter database DB set default_toast_compression = 'lz4'; alter database DB set app.odd_name = 'a''b\\c, "d"'`,
    harm: 'alter database DB reset log_statement',
    says: /missing: alter database .* set "log_statement" to 'ddl'/,
  },
  'a setting of a role in it': {
    make: `alter role odd_clerk in database DB set search_path = "odd $x", public; alter role odd_clerk in database DB set lc_time = 'C'`,
    harm: 'alter role odd_clerk in database DB reset search_path',
    says: /missing: alter role "?odd_clerk"? in database .* set "search_path" to 'odd \$x', 'public'/,
  },
  'a right on it': {
    make: 'revoke connect, temporary on database DB from public; grant connect on database DB to odd_reader with grant option',
    harm: 'grant connect on database DB to public',
    says: /besides: grant CONNECT on database .* to public/i,
  },
  'a comment': {
    make: `comment on database DB is E'the\\nshop''s'`,
    harm: `comment on database DB is 'another'`,
    says: /comment on database/i,
  },
  'how many may connect': {
    make: 'alter database DB connection limit 57',
    harm: 'alter database DB connection limit -1',
    says: /connection limit 57/i,
  },
};
