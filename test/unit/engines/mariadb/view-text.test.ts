import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requalify } from '../../../../scripts/lib/engines/mariadb/server/view-text.ts';

const CASES: readonly (readonly [what: string, before: string, after: string])[] = [
  [
    'columns that are named with their database',
    'select `shop`.`orders`.`id` AS `id` from `orders`',
    'select `next`.`orders`.`id` AS `id` from `orders`',
  ],
  ['functions that are', 'select `shop`.`f`(1), `shop`.`f` (2)', 'select `next`.`f`(1), `next`.`f` (2)'],
  [
    'sequences, which are always',
    'select nextval(`shop`.`s`) AS `n`,lastval(`shop`.`s`)',
    'select nextval(`next`.`s`) AS `n`,lastval(`next`.`s`)',
  ],
  ['not a table of the same name', 'select `shop`.`id` from `shop`', 'select `shop`.`id` from `shop`'],
  [
    'not what only looks like one',
    "select '`shop`.`a`.`b`', 'it''s \\'`shop`.`a`.`b`'",
    "select '`shop`.`a`.`b`', 'it''s \\'`shop`.`a`.`b`'",
  ],
  ['not those of other databases', 'select `crm`.`people`.`id`', 'select `crm`.`people`.`id`'],
];

describe('a view, read in one database, is made in another with', () => {
  for (const [what, before, after] of CASES) test(what, () => assert.equal(requalify(before, 'shop', 'next'), after));

  test('a name that has quotes in it', () => {
    assert.equal(requalify('select `a``b`.`t`.`c`', 'a`b', 'x`y'), 'select `x``y`.`t`.`c`');
  });
});
