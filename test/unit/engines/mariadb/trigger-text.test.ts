import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TABLE, triggerFor } from '../../../../scripts/lib/engines/mariadb/server/trigger-text.ts';

test('a trigger keeps what its author wrote, but for who it runs as, its database and its table', () => {
  const made = (text: string) => triggerFor(text, '`me`@`%`');
  for (const [text, kept] of [
    [
      'CREATE DEFINER=`a b`@`%` trigger tr before insert on t for each row set @a = 1',
      ['tr before insert on ', ' for each row set @a = 1'],
    ],
    [
      'CREATE DEFINER="o\'x"@localhost TRIGGER shop.`t``r`\nAFTER UPDATE\nON `shop` . `my on t`\nFOR EACH ROW\nbegin end',
      ['`t``r`\nAFTER UPDATE\nON ', '\nFOR EACH ROW\nbegin end'],
    ],
    [
      "create or replace /* why */ trigger if not exists `on` before delete on `s`.t -- for\n for each row set @x = ' on t for each row'",
      ['`on` before delete on ', " -- for\n for each row set @x = ' on t for each row'"],
    ],
    [
      'CREATE DEFINER=`r`@`` trigger "q" before insert on "t" for each row set @a = 1',
      ['"q" before insert on ', ' for each row set @a = 1'],
    ],
  ] as const)
    assert.equal(made(text), `create definer=\`me\`@\`%\` trigger ${kept.join(TABLE)}`);
  assert.equal(made('something else'), undefined);
});
