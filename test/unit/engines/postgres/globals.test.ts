import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Membership, neededRoles } from '../../../../scripts/lib/engines/postgres/dump/needed-roles.ts';
import { failuresOf } from '../../../../scripts/lib/engines/postgres/restore/psql-failures.ts';
import { ungivenOf } from '../../../../scripts/lib/engines/postgres/restore/ungiven.ts';

const roles = ['app', 'staff', 'alice', 'boss', 'other', 'set', 'pg_monitor', 'watcher'].map((name) => ({
  oid: `o_${name}`,
  name,
  hasSettings: name === 'set',
}));
const belongs = (member: string, role: string, grantor = '10', admin = false): Membership => ({
  role: `o_${role}`,
  member: `o_${member}`,
  grantor: grantor === '10' ? grantor : `o_${grantor}`,
  options: { admin_option: admin, inherit_option: true, set_option: true },
});

test('a database needs its owners and grantees, what they belong to, and who belongs to them; not everybody of a group above', () => {
  const memberships = [
    belongs('alice', 'app', 'boss'),
    belongs('boss', 'app', '10', true),
    belongs('app', 'staff'),
    belongs('other', 'staff'),
    belongs('alice', 'pg_monitor'),
    belongs('watcher', 'pg_monitor'),
  ];
  const { needed, further, given } = neededRoles(roles, memberships, new Set(['app']));
  assert.deepEqual(
    needed.map(({ name }) => name),
    ['app', 'staff'],
  );
  assert.deepEqual(
    further.map(({ name }) => name),
    ['alice', 'boss', 'set'],
  );
  // who lets others in has been let in before
  assert.deepEqual(
    given.map(({ member, role }) => `${member.slice(2)} in ${role.slice(2)}`),
    ['boss in app', 'alice in pg_monitor', 'app in staff', 'alice in app'],
  );
});

test('what psql says of a refused statement is read with and without its place', () => {
  assert.deepEqual(
    failuresOf(
      'ERROR:  role "a" does not exist\nSTATEMENT:  alter database "x" owner to "a";\npsql:<stdin>:7: ERROR:  no\nDETAIL:  more\nWARNING:  x',
    ),
    [{ message: 'role "a" does not exist', statement: 'alter database "x" owner to "a";' }, { message: 'no' }],
  );
});

test('neither a password nor the value of a setting is repeated', () => {
  for (const statement of [
    `create role "a" with LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';`,
    `do 'begin create role "a" with PASSWORD ''md5''; end';`,
    `alter role "a" with password 'x';`,
  ])
    assert.deepEqual(ungivenOf(statement, 'no'), { what: 'a role or its memberships', reason: 'no', isSetting: false });
  assert.equal(
    ungivenOf(`alter database "m" set "app"."key" to 'secret to me';`, 'no').what,
    'alter database "m" set "app"."key"',
  );
  assert.equal(ungivenOf('alter database "m" owner to "a";', 'no').isSetting, false);
});
