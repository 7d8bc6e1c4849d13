import type { Application } from './applications.ts';

/** Databases that live by extensions, where the server has them: what a dump leaves out of these, and what it writes. */
export const EXTENSIONS: readonly Application[] = [
  {
    name: 'PostGIS, topology and TIGER',
    engine: 'postgres',
    packages: [],
    files: [],
    extensions: ['postgis', 'postgis_topology', 'fuzzystrmatch', 'postgis_tiger_geocoder'],
    before: `create extension postgis; create extension postgis_topology; create extension fuzzystrmatch; create extension postgis_tiger_geocoder;
      insert into public.spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text) values (990001, 'mine', 1, 'x', '+proj=longlat');
      create table public.places (id int primary key, name text, at public.geometry(PointZ, 4326), area public.geography(Polygon),
        east float8 generated always as (public.st_x(at)) stored);
      insert into public.places (id, name, at) select n, 'p' || n, public.st_setsrid(public.st_makepoint(n % 180, n % 90, n), 4326) from generate_series(1, 500) n;
      create index on public.places using gist (at); create index on public.places using gist (public.geography(at)) where id > 10;
      create materialized view public.hulls as select public.st_convexhull(public.st_collect(at)) as hull from public.places;
      select topology.CreateTopology('city', 4326); select topology.ST_AddIsoNode('city', 0, public.st_setsrid(public.st_makepoint(1, 2), 4326));`,
  },
  {
    name: 'pg_partman',
    engine: 'postgres',
    packages: [],
    files: [],
    extensions: ['pg_partman'],
    before: `create schema partman; create extension pg_partman schema partman;
      create table public.events (at timestamptz not null, v text, primary key (at)) partition by range (at);
      select partman.create_parent('public.events', 'at', 'native', 'daily');
      insert into public.events select now() + n * interval '1 minute', 'v' || n from generate_series(1, 300) n;
      create table public.numbers (id bigint not null, v text) partition by range (id);
      select partman.create_parent('public.numbers', 'id', 'native', '100');
      insert into public.numbers select n, 'v' || n from generate_series(1, 300) n;`,
  },
  {
    name: "PostgreSQL's own extensions",
    engine: 'postgres',
    packages: [],
    files: [],
    extensions: [
      'hstore',
      'citext',
      'ltree',
      'isn',
      'cube',
      'earthdistance',
      'seg',
      'intarray',
      'pg_trgm',
      'bloom',
      'lo',
    ],
    before: `create schema own; create extension hstore schema own; create extension citext schema own; create extension ltree; create extension isn; create extension cube;
      create extension earthdistance; create extension seg; create extension intarray; create extension pg_trgm schema own; create extension btree_gist; create extension bloom;
      create extension lo; create extension unaccent; create extension "uuid-ossp"; create extension pgcrypto; create extension tablefunc; create extension dict_int; create extension postgres_fdw;
      create table public.kinds (id uuid primary key default public.uuid_generate_v4(), h own.hstore, c own.citext unique, p public.ltree, b public.isbn13, k public.cube, s public.seg, n int[], o public.lo);
      insert into public.kinds (h, c, p, b, k, s, n) values ('a=>NULL, "b c"=>"1"', 'Ärger', 'top.middle', '978-0-393-04002-9', '(1,2),(3,4)', '1.20 .. 3.4', '{3,1,2}');
      create index on public.kinds using gin (h); create index on public.kinds using gist (p); create index on public.kinds using gin (n public.gin__int_ops);
      create index on public.kinds using gin (c own.gin_trgm_ops); create index on public.kinds using gist (k); create index on public.kinds using bloom ((c::text)) with (length = 100);
      create table public.booked (room int, during tsrange, exclude using gist (room with =, during with &&)); insert into public.booked values (1, '[2026-01-01,2026-01-02)');
      create function public.plain(text) returns text language sql immutable parallel safe as $$ select public.unaccent('public.unaccent', $1) $$;
      create table public.words (t text, plain text generated always as (public.plain(t)) stored); insert into public.words values ('Größe'); create index on public.words (public.plain(t));
      create text search dictionary public.short_numbers (template = public.intdict_template, maxlen = 4);
      create server elsewhere foreign data wrapper postgres_fdw options (host 'localhost', dbname 'x'); create foreign table public.far (id int) server elsewhere;`,
  },
];
