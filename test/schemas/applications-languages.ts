import { type Application, from } from './applications.ts';

const synapse = 'synapse/storage/schema';
const openfga = from('go', 'github.com/openfga/openfga', 'v1.22.1');
const kratos = from('go', 'github.com/ory/kratos', 'v1.3.1');
const trillian = from('go', 'github.com/google/trillian', 'v1.8.0');
const camunda = from('maven', 'org.camunda.bpm:camunda-engine', '7.23.0');
const quartz = from('maven', 'org.quartz-scheduler:quartz', '2.5.2');
const batch = from('maven', 'org.springframework.batch:spring-batch-core', '6.0.6');

const camundaFiles = (engine: string) =>
  ['engine', 'history', 'identity', 'case.engine', 'case.history', 'decision.engine', 'decision.history'].map(
    (part) => `org/camunda/bpm/engine/db/create/activiti.${engine}.create.${part}.sql`,
  );

/** Of a migration of goose's, the half that goes up. */
const gooseUp = (sql: string) => sql.replace(/-- \+goose Down[\s\S]*$/, '');

/** Applications whose SQL is in packages of programming languages. */
export const LANGUAGES: readonly Application[] = [
  {
    name: 'Matrix Synapse',
    engine: 'postgres',
    packages: from('pypi', 'matrix-synapse', '1.163.2'),
    files: [
      `${synapse}/common/schema_version.sql`,
      ...['common', 'main', 'state'].map((part) => `${synapse}/${part}/full_schemas/72/full.sql.postgres`),
    ],
  },
  {
    name: 'Django, Wagtail, allauth and others',
    engine: 'postgres',
    packages: [{ registry: 'pypi', name: 'Django', version: '5.2.19', requirements: 'django-requirements.txt' }],
    files: [],
    program: 'django_site.py',
  },
  {
    name: 'Procrastinate',
    engine: 'postgres',
    packages: from('pypi', 'procrastinate', '3.10.0'),
    files: ['procrastinate/sql/schema.sql'],
  },
  {
    name: 'Graphile Worker',
    engine: 'postgres',
    packages: from('npm', 'graphile-worker', '0.17.3'),
    before: 'create schema graphile_worker;',
    files: ['sql/*.sql'],
    // each is a transaction, as its own runner has it
    edit: (sql) => `begin;\n${sql.replaceAll(':GRAPHILE_WORKER_SCHEMA', 'graphile_worker')};\ncommit;`,
  },
  {
    name: 'River',
    engine: 'postgres',
    packages: from('go', 'github.com/riverqueue/river/riverdriver/riverpgxv5', 'v0.51.2'),
    files: ['migration/main/*.up.sql'],
    edit: (sql) => sql.replaceAll('/* TEMPLATE: schema */', ''),
  },
  {
    name: 'OpenFGA',
    engine: 'postgres',
    packages: openfga,
    files: ['assets/migrations/postgres/*.sql'],
    edit: gooseUp,
  },
  {
    name: 'OpenFGA',
    engine: 'mariadb',
    packages: openfga,
    files: ['assets/migrations/mysql/*.sql'],
    // MySQL's words for an index that is dropped
    edit: (sql) => gooseUp(sql).replaceAll(' LOCK = NONE', ''),
  },
  {
    name: 'Ory Kratos',
    engine: 'postgres',
    packages: kratos,
    files: ['persistence/sql/migrations/sql/*.up.sql'],
    without: /\.(cockroach|mysql|sqlite3?)\.up\.sql$/,
  },
  { name: 'Trillian', engine: 'postgres', packages: trillian, files: ['storage/postgresql/schema/storage.sql'] },
  { name: 'Trillian', engine: 'mariadb', packages: trillian, files: ['storage/mysql/schema/storage.sql'] },
  { name: 'Camunda', engine: 'postgres', packages: camunda, files: camundaFiles('postgres') },
  { name: 'Camunda', engine: 'mariadb', packages: camunda, files: camundaFiles('mysql') },
  { name: 'Quartz', engine: 'postgres', packages: quartz, files: ['org/quartz/impl/jdbcjobstore/tables_postgres.sql'] },
  {
    name: 'Quartz',
    engine: 'mariadb',
    packages: quartz,
    files: ['org/quartz/impl/jdbcjobstore/tables_mysql_innodb.sql'],
  },
  {
    name: 'Spring Batch',
    engine: 'postgres',
    packages: batch,
    files: ['org/springframework/batch/core/schema-postgresql.sql'],
  },
  {
    name: 'Spring Batch',
    engine: 'mariadb',
    packages: batch,
    files: ['org/springframework/batch/core/schema-mariadb.sql'],
  },
];
