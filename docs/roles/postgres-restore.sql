-- A role that can restore one database, and no superuser. As a superuser, with your names and password:
--   psql -d myapp -f docs/roles/postgres-restore.sql
-- What only a superuser can make (extensions that are not trusted, event triggers, subscriptions) it cannot restore: the
-- restore then fails before it touches the live database.

-- CREATEDB: for the staging database beside the live one, and the swap by renaming
-- BYPASSRLS: or no safety backup can be taken of a replaced database with row security that its owner is subject to
create role restore_role login createdb bypassrls password 'change-me';
-- the owner of the database and of what is in it; a line for each owner
grant app_owner to restore_role;
-- to disconnect the application for the moment of the swap
grant pg_signal_backend to restore_role;
