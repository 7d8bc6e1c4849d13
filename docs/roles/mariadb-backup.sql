-- A user that can back up one database. As an administrator, with your names and password:
--   mariadb < docs/roles/mariadb-backup.sql

create user backup_user@'%' identified by 'change-me';
grant select, show view, trigger, event, lock tables, execute on myapp.* to backup_user@'%';
-- the text of functions and procedures is there
grant select on mysql.proc to backup_user@'%';

-- Accounts and grants are kept beside the dump only if the user may read them. To make a new server from the backup
-- alone, and if the backups are encrypted, you may want that too:
-- grant select on mysql.* to backup_user@'%';
