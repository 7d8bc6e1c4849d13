-- A user that can restore one database. As an administrator, with your names and password:
--   mariadb < docs/roles/mariadb-restore.sql

create user restore_user@'%' identified by 'change-me';
-- the staging database and the kept one lie beside the live one, under names that begin with its own
grant all privileges on `myapp%`.* to restore_user@'%';
-- definers other than this user; and triggers, where the server writes a binary log
grant set user, super on *.* to restore_user@'%';
grant select on mysql.proc to restore_user@'%';
