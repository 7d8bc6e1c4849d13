-- A role that can back up one database, and change nothing. As a superuser, with your names and password:
--   psql -d myapp -f docs/roles/postgres-backup.sql
-- PostgreSQL 14 or newer. A backup takes 3 sessions at a time, a folder 3 and BACKUP_JOBS: a CONNECTION LIMIT of the role or the
-- database has to leave room for them.

-- BYPASSRLS: rows that a policy hides would be missing in the backup; the dump refuses to start without it
create role backup_role login bypassrls password 'change-me';
grant connect on database myapp to backup_role;
grant pg_read_all_data to backup_role;
-- against mistakes; a user of this role can switch it off, but not take rights that are not granted here
alter role backup_role set default_transaction_read_only = on;

-- Only for a database with large objects (pg_largeobject): no role may read all of them, but this setting, which only a
-- superuser can make, lifts their rights altogether. The role could remove them, too.
-- alter role backup_role set lo_compat_privileges = on;

-- The passwords of roles are kept beside the dump only if the role may read them. To make a new server from the backup
-- alone, and if the backups are encrypted, you may want that too:
-- grant select on pg_authid to backup_role;
