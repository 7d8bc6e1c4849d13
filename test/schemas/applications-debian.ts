import { type Application, from } from './applications.ts';

const ZABBIX = '1:6.0.14+dfsg-1+b1';
const BACULA = '9.6.7-7';
const POWERDNS = '4.7.3-2';
const KAMAILIO = '5.6.3-2';
const ICINGA = '2.13.6-2+deb12u2';
const roundcube = from('debian', 'roundcube-core', '1.6.5+dfsg-1+deb12u13');
const mediawiki = from('debian', 'mediawiki', '1:1.39.17-1+deb12u2');
const ejabberd = from('debian', 'ejabberd', '23.01-1');
const icingaweb = from('debian', 'icingaweb2', '2.11.4-2+deb12u1');
const freeradius = from('debian', 'freeradius-config', '3.2.1+dfsg-4+deb12u1');
const ttrss = from('debian', 'tt-rss', '21~git20210204.b4cbc79+dfsg-1.2');
const tracker = from('debian', 'request-tracker5', '5.0.3+dfsg-3~deb12u6');
const kea = from('debian', 'kea-admin', '2.2.0-6');
const radius = 'etc/freeradius/3.0/mods-config/sql';

/** As MediaWiki's installer fills in its comments: no prefix, and the defaults of its table options. */
const mediawikiWords = (sql: string) =>
  sql
    .replaceAll('/*_*/', '')
    .replaceAll('/*i*/', '')
    .replaceAll('/*$wgDBTableOptions*/', 'ENGINE=InnoDB, CHARSET=binary');

/** Applications whose SQL is in Debian 12's packages. */
export const DEBIAN: readonly Application[] = [
  {
    name: 'Zabbix',
    engine: 'postgres',
    packages: from('debian', 'zabbix-server-pgsql', ZABBIX),
    files: ['schema', 'images', 'data'].map((file) => `usr/share/zabbix-server-pgsql/${file}.sql.gz`),
  },
  {
    name: 'Zabbix',
    engine: 'mariadb',
    packages: from('debian', 'zabbix-server-mysql', ZABBIX),
    files: ['schema', 'images', 'data'].map((file) => `usr/share/zabbix-server-mysql/${file}.sql.gz`),
  },
  {
    name: 'Bacula',
    engine: 'postgres',
    packages: from('debian', 'bacula-director-pgsql', BACULA),
    files: ['usr/share/dbconfig-common/data/bacula-director-pgsql/install/pgsql'],
  },
  {
    name: 'Bacula',
    engine: 'mariadb',
    packages: from('debian', 'bacula-director-mysql', BACULA),
    files: ['usr/share/dbconfig-common/data/bacula-director-mysql/install/mysql'],
  },
  {
    name: 'PowerDNS',
    engine: 'postgres',
    packages: from('debian', 'pdns-backend-pgsql', POWERDNS),
    files: ['usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql'],
  },
  {
    name: 'PowerDNS',
    engine: 'mariadb',
    packages: from('debian', 'pdns-backend-mysql', POWERDNS),
    files: ['schema', 'enable-foreign-keys'].map((file) => `usr/share/pdns-backend-mysql/schema/${file}.mysql.sql`),
  },
  {
    name: 'Roundcube',
    engine: 'postgres',
    packages: roundcube,
    files: ['usr/share/roundcube/SQL/postgres.initial.sql'],
  },
  { name: 'Roundcube', engine: 'mariadb', packages: roundcube, files: ['usr/share/roundcube/SQL/mysql.initial.sql'] },
  {
    name: 'MediaWiki',
    engine: 'postgres',
    packages: mediawiki,
    files: ['tables-generated', 'tables', 'update-keys'].map(
      (file) => `usr/share/mediawiki/maintenance/postgres/${file}.sql`,
    ),
    edit: mediawikiWords,
  },
  {
    name: 'MediaWiki',
    engine: 'mariadb',
    packages: mediawiki,
    files: ['tables-generated', 'tables', 'update-keys'].map((file) => `usr/share/mediawiki/maintenance/${file}.sql`),
    edit: mediawikiWords,
  },
  {
    name: 'Kamailio',
    engine: 'postgres',
    packages: from('debian', 'kamailio-postgres-modules', KAMAILIO),
    files: ['usr/share/kamailio/postgres/standard-create.sql', 'usr/share/kamailio/postgres/*-create.sql'],
  },
  {
    name: 'Kamailio',
    engine: 'mariadb',
    packages: from('debian', 'kamailio-mysql-modules', KAMAILIO),
    files: ['usr/share/kamailio/mysql/standard-create.sql', 'usr/share/kamailio/mysql/*-create.sql'],
    // these make tables that others have made, and add them to the list again
    without: /\/(ims|uid)_/,
  },
  { name: 'ejabberd', engine: 'postgres', packages: ejabberd, files: ['usr/share/ejabberd/sql/pg.new.sql'] },
  { name: 'ejabberd', engine: 'mariadb', packages: ejabberd, files: ['usr/share/ejabberd/sql/mysql.new.sql'] },
  {
    name: 'Icinga 2',
    engine: 'postgres',
    packages: from('debian', 'icinga2-ido-pgsql', ICINGA),
    files: ['usr/share/icinga2-ido-pgsql/schema/pgsql.sql'],
  },
  {
    name: 'Icinga 2',
    engine: 'mariadb',
    packages: from('debian', 'icinga2-ido-mysql', ICINGA),
    files: ['usr/share/icinga2-ido-mysql/schema/mysql.sql'],
  },
  {
    name: 'Icinga Web 2',
    engine: 'postgres',
    packages: icingaweb,
    files: ['usr/share/icingaweb2/schema/pgsql.schema.sql'],
  },
  {
    name: 'Icinga Web 2',
    engine: 'mariadb',
    packages: icingaweb,
    files: ['usr/share/icingaweb2/schema/mysql.schema.sql'],
  },
  {
    name: 'FreeRADIUS',
    engine: 'postgres',
    packages: freeradius,
    files: [
      ...['main', 'ippool', 'ippool-dhcp', 'cui'].map((part) => `${radius}/${part}/postgresql/schema.sql`),
      ...['main/postgresql/process-radacct.sql', 'ippool/postgresql/procedure.sql'].map((file) => `${radius}/${file}`),
    ],
    // comments that psql takes for none
    edit: (sql) => sql.replaceAll(/^#.*$/gm, ''),
  },
  {
    name: 'FreeRADIUS',
    engine: 'mariadb',
    packages: freeradius,
    files: [
      ...['main', 'ippool', 'ippool-dhcp', 'cui'].map((part) => `${radius}/${part}/mysql/schema.sql`),
      ...['main/mysql/process-radacct.sql', 'ippool/mysql/procedure.sql'].map((file) => `${radius}/${file}`),
    ],
  },
  {
    name: 'Tiny Tiny RSS',
    engine: 'postgres',
    packages: ttrss,
    files: ['usr/share/tt-rss/schema/ttrss_schema_pgsql.sql'],
  },
  {
    name: 'Tiny Tiny RSS',
    engine: 'mariadb',
    packages: ttrss,
    files: ['usr/share/tt-rss/schema/ttrss_schema_mysql.sql'],
  },
  {
    name: 'Request Tracker',
    engine: 'postgres',
    packages: tracker,
    files: ['usr/share/request-tracker5/etc/schema.Pg'],
  },
  {
    name: 'Request Tracker',
    engine: 'mariadb',
    packages: tracker,
    files: ['usr/share/request-tracker5/etc/schema.mysql'],
  },
  { name: 'Kea DHCP', engine: 'postgres', packages: kea, files: ['usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql'] },
  {
    name: 'Kea DHCP',
    engine: 'mariadb',
    packages: kea,
    files: ['usr/share/kea/scripts/mysql/dhcpdb_create.mysql'],
    session: 'set @disable_audit = 1',
  },
  {
    name: 'DAViCal',
    engine: 'postgres',
    packages: [...from('debian', 'davical', '1.1.12-2'), ...from('debian', 'libawl-php', '0.64-1')],
    files: [
      ...['awl-tables', 'schema-management'].map((file) => `usr/share/awl/dba/${file}.sql`),
      ...['davical', 'base-data', 'rrule_functions', 'caldav_functions'].map(
        (file) => `usr/share/davical/dba/${file}.sql`,
      ),
      'usr/share/davical/dba/views/dav_principal.sql',
    ],
  },
  {
    name: 'LedgerSMB',
    engine: 'postgres',
    packages: from('debian', 'ledgersmb', '1.6.33+ds-2.1'),
    files: ['usr/share/ledgersmb/sql/Pg-database.sql'],
  },
  {
    name: 'Cacti',
    engine: 'mariadb',
    packages: from('debian', 'cacti', '1.2.24+ds1-1+deb12u5'),
    files: ['usr/share/cacti/conf_templates/cacti.sql'],
  },
  {
    name: 'phpMyAdmin',
    engine: 'mariadb',
    packages: from('debian', 'phpmyadmin', '4:5.2.1+dfsg-1+deb12u1'),
    files: ['usr/share/dbconfig-common/data/phpmyadmin/install/mysql'],
  },
];
