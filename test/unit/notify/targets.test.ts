import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { configure } from '../../../scripts/lib/config/config.ts';
import { parseNotifyUrls } from '../../../scripts/lib/notify/channels/index.ts';
import { parseHeartbeatUrl } from '../../../scripts/lib/notify/heartbeat.ts';
import { redact } from '../../../scripts/lib/terminal/log.ts';

function kindsOf(text: string): string[] {
  return parseNotifyUrls(text).map(({ kind, host }) => `${kind} ${host}`);
}

const GOOD = {
  'https://example.com/hook?key=1': ['webhook example.com'],
  'http://gateway:8080/': ['webhook gateway:8080'],
  'https://user:pass@example.com/hook': ['webhook example.com'],
  'https://hooks.slack.com/services/T01/B02/abcDEF': ['slack hooks.slack.com'],
  'slack://T01/B02/abcDEF': ['slack hooks.slack.com'],
  'slack://hook:T01-B02-abcDEF@webhook': ['slack hooks.slack.com'],
  'slack+https://mattermost.example.com/hooks/xyz': ['slack mattermost.example.com'],
  'https://discord.com/api/webhooks/123/tok_en-1': ['discord discord.com'],
  'https://discordapp.com/api/webhooks/123/tok_en-1': ['discord discordapp.com'],
  'discord://tok_en-1@123': ['discord discord.com'],
  'discord://123/tok_en-1': ['discord discord.com'],
  'https://ntfy.sh/mytopic': ['ntfy ntfy.sh'],
  'ntfy://ntfy.example.com/mytopic': ['ntfy ntfy.example.com'],
  'ntfys://user:pass@ntfy.example.com:8443/mytopic': ['ntfy ntfy.example.com:8443'],
  'ntfy+http://ntfy/mytopic': ['ntfy ntfy'],
  'telegram://110:AAH-x_y@telegram?chats=-1001,@ops': ['telegram api.telegram.org', 'telegram api.telegram.org'],
  'telegram+http://110:AAH-x_y@bot-api:8081?chats=5': ['telegram bot-api:8081'],
  'smtp://mail.example.com/?from=a@example.com&to=b@example.com,ops+db@example.com': ['smtp mail.example.com'],
  'smtps://a%40example.com:p%2Fw@mail.example.com:465/?to=b@example.com': ['smtp mail.example.com:465'],
} as const satisfies Record<string, readonly string[]>;

for (const [text, expected] of Object.entries(GOOD)) {
  test(`NOTIFY_URL takes ${text}`, () => assert.deepEqual(kindsOf(text), expected));
}

test('entries are told apart by the scheme after a comma or a line break, so that lists keep their commas', () => {
  const texts = Object.keys(GOOD);
  for (const between of [',', ', ', '\n', ' ,\n ']) {
    assert.deepEqual(kindsOf(`${texts.join(between)}${between}`), Object.values(GOOD).flat());
  }
});

const BAD = {
  '': /wants one or more URLs/,
  'hooks.slack.com/services/T/B/secret-word': /^entry 1 is no URL/,
  'https://ok.example/x,gopher://secret-word/': /^entry 2 \(gopher:\/\/\) is of no known kind; there are .*smtps/,
  'https://ok.example/x,secret-word.example/y': /^entry 1 \(https:\/\/\) holds a space, or a comma/,
  'https://ok.example/x#secret-word': /%23/,
  'smtp://u:secret-word/x@host:25/?to=a@b&from=a@b': /^entry 1 \(smtp:\/\/\) is no valid URL; .*%2F/,
  'smtp://u:secret-word@mail/': /wants \?from=/,
  'smtp://u:secret-word@mail/?from=a@b': /wants \?to=/,
  'smtp://u:secret-word@mail/?from=a@b&to=a@b%0d%0aBcc:x@y': /wants \?to=/,
  'smtp://u:secret-word@mail:465/?from=a@b&to=a@b': /write smtps/,
  'smtp://u:secret-word@mail/?from=a@b&to=a@b&starttls=maybe': /required, optional or never/,
  'smtp://u:p?secret-word@mail/?from=a@b&to=a@b': /is no valid URL|unknown parameter/,
  'smtps://u:secret-word@mail/?from=a@b&to=a@b&starttls=never': /unknown parameter/,
  'telegram://secret-word@telegram?chats=1': /token of the bot/,
  'telegram://1:secret-word@telegram': /names no chat/,
  'telegram://1:secret-word@telegram?chats=ops': /numeric ids or @channels/,
  'telegram://1:secret-word@example.com?chats=1': /telegram as the host/,
  'slack://T01/secret-word': /three tokens/,
  'discord://secret-word@channel': /discord:\/\/token@id/,
  'ntfy://secret-word': /wants a topic/,
  'ntfy://host/secret-word?title=x': /takes no parameters/,
} as const satisfies Record<string, RegExp>;

for (const [text, expected] of Object.entries(BAD)) {
  test(`NOTIFY_URL refuses ${text || 'nothing at all'}, and repeats no secret`, () => {
    assert.throws(
      () => parseNotifyUrls(text),
      (error: Error) => {
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /secret-word/);
        return true;
      },
    );
  });
}

test('every wrong entry is named at once', () => {
  assert.throws(() => parseNotifyUrls('foo://x,https://ok.example,telegram://x'), /^Error: entry 1 .*; entry 3 /);
});

const SECRETS = {
  'https://h.example/hook/4f1d-token-of-a-hook?sig=abcdefghij0123456789': [
    '4f1d-token-of-a-hook',
    'abcdefghij0123456789',
    'h.example/hook/4f1d-token-of-a-hook?sig=abcdefghij0123456789',
  ],
  'https://u:pass%2Fwo%20rd1@h.example/': [
    'pass/wo rd1',
    'pass%2Fwo%20rd1',
    Buffer.from('u:pass/wo rd1').toString('base64'),
  ],
  'slack://T0AB/B0CD/xoxo77': ['xoxo77', 'B0CD'],
  'discord://dis_tok-88@4455': ['dis_tok-88', '4455/dis_tok-88'],
  'ntfy://:tk_zzz9@h.example/hush': ['tk_zzz9', 'h.example/hush'],
  'telegram://110:AAH-x_y9@telegram?chats=1': ['110:AAH-x_y9', 'AAH-x_y9', 'bot110:AAH-x_y9'],
  'smtp://u:p%40ss%3A9@h.example/?from=a@b&to=c@d': [
    'p@ss:9',
    'p%40ss%3A9',
    Buffer.from('p@ss:9').toString('base64'),
    Buffer.from('\0u\0p@ss:9').toString('base64'),
  ],
} as const satisfies Record<string, readonly string[]>;

for (const [text, secrets] of Object.entries(SECRETS)) {
  test(`what is secret in ${text} is never logged, in no form`, () => {
    const [target] = parseNotifyUrls(text);
    for (const secret of [text, ...secrets]) {
      assert.match(redact(`<<${secret}>>`), /\[secret\]/);
      assert.ok(!redact(`<<${secret}>>`).includes(secret));
      assert.ok(!inspect(target, { depth: 9 }).includes(secret));
      assert.ok(!(JSON.stringify(target) ?? '').includes(secret));
    }
  });
}

test('no ordinary word of a URL vanishes from the log', () => {
  parseNotifyUrls('http://gateway/backups,ntfy+http://ntfy/postgres,https://example.com/hooks/database?channel=main');
  const line = 'backups of postgres go to /backups, the database to main; hooks: none';
  assert.equal(redact(line), line);
});

test('the configuration names a wrong NOTIFY_URL or HEARTBEAT_URL without telling it', () => {
  const password = { POSTGRES_PASSWORD: 'irrelevant-here' };
  assert.throws(
    () =>
      configure({
        ...password,
        NOTIFY_URL: 'https://a.example/x,foo://hidden-thing',
        HEARTBEAT_URL: 'hc-ping.com/hidden-id',
      }),
    (error: Error) => {
      assert.match(error.message, /HEARTBEAT_URL: wants an http:\/\/ or https:\/\/ URL/);
      assert.match(error.message, /NOTIFY_URL: entry 2 \(foo:\/\/\)/);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    },
  );
  const { values } = configure({
    ...password,
    NOTIFY_URL: 'https://a.example/x',
    HEARTBEAT_URL: 'https://hc.example/id',
  });
  assert.equal(values.NOTIFY_URL?.length, 1);
  assert.equal(values.HEARTBEAT_URL, 'https://hc.example/id');
  assert.equal(configure(password).values.NOTIFY_URL, undefined);
});

test('what is secret in HEARTBEAT_URL is never logged', () => {
  parseHeartbeatUrl('https://hc-ping.com/073305d2-3582-4dd6-b6a3-425e88583ca2?create=1');
  assert.equal(redact('check 073305d2-3582-4dd6-b6a3-425e88583ca2'), 'check [secret]');
});
