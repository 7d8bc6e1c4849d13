-- A user that can back up one database. As an administrator, with your names and password:
--   mariadb < docs/roles/mariadb-backup.sql

create user backup_user@'%' identified by 'change-me';
grant select, show view, trigger, event, lock tables, execute on myapp.* to backup_user@'%';
