import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseNotifyUrls } from '../../scripts/lib/notify/channels/index.ts';
import { heartbeat } from '../../scripts/lib/notify/heartbeat.ts';
import { deliver, type Notice, notify } from '../../scripts/lib/notify/notify.ts';
import { log } from '../../scripts/lib/terminal/log.ts';
import { type Answer, standardErrorOf, startHttpReceiver, startSmtpReceiver } from '../support/notify-receivers.ts';

/** Where everybody answers, on however busy a machine. */
const PATIENT = { timeoutMs: 20_000, retryDelayMs: 20 };
/** Where somebody does not. */
const QUICK = { timeoutMs: 1_000, retryDelayMs: 20 };
const NOTICE: Notice = {
  verb: 'drill',
  outcome: 'failure',
  items: [
    {
      source: 'my_app',
      what: 'table "orders" <!channel> @everyone\nexpected 10 rows & found 9 *oh*',
      since: new Date('2026-07-01T00:00:00Z'),
      next: 'make drill FILE=…',
    },
  ],
  at: new Date('2026-07-02T00:00:00Z'),
  host: 'db1',
  logTail: 'one\ntwo "quoted" \\ ```fenced```\nthree',
};
const LONG: Notice = {
  ...NOTICE,
  items: [{ source: 'my_app', what: '€😀<&"\\'.repeat(3_000) }],
  logTail: `${'ä€😀'.repeat(2_000)} last words`,
};

async function http(t: TestContext, ...answers: Answer[]) {
  const receiver = await startHttpReceiver(...answers);
  t.after(receiver.close);
  return receiver;
}

async function smtp(t: TestContext, password = '', options: Parameters<typeof startSmtpReceiver>[1] = {}) {
  const receiver = await startSmtpReceiver(password, options);
  t.after(receiver.close);
  return receiver;
}

function send(urls: string, notice = NOTICE, limits = PATIENT) {
  return deliver(parseNotifyUrls(urls), notice, limits);
}

test('a generic webhook gets the documented JSON', async (t) => {
  const receiver = await http(t);
  const [delivery] = await send(`http://me:se%40cret@${receiver.host}/hook?key=1`);
  assert.equal(delivery?.ok, true);
  const [request] = receiver.requests;
  assert.equal(request?.method, 'POST');
  assert.equal(request.path, '/hook?key=1');
  assert.equal(request.headers['content-type'], 'application/json');
  assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:se@cret').toString('base64')}`);
  const { text, ...body } = receiver.json();
  assert.deepEqual(body, {
    version: 1,
    verb: 'drill',
    outcome: 'failure',
    subject: 'Restore drill failed: my_app on db1',
    at: '2026-07-02T00:00:00.000Z',
    host: 'db1',
    items: [
      {
        source: 'my_app',
        what: 'table "orders" <!channel> @everyone\nexpected 10 rows & found 9 *oh*',
        since: '2026-07-01T00:00:00.000Z',
        next: 'make drill FILE=…',
      },
    ],
    logTail: NOTICE.logTail,
  });
  assert.match(text, /since: 2026-07-01 00:00:00Z \(1d 0h ago\)/);
});

test('Slack gets text in which nothing is markup', async (t) => {
  const receiver = await http(t);
  const [delivery] = await send(`slack+http://${receiver.host}/services/T0/B0/x`);
  assert.equal(delivery?.ok, true);
  assert.equal(receiver.requests[0]?.path, '/services/T0/B0/x');
  const { text, mrkdwn } = receiver.json();
  assert.equal(mrkdwn, false);
  assert.match(
    text,
    /^Restore drill failed: my_app on db1\n\nmy_app: table "orders" &lt;!channel&gt; .*\n.* rows &amp; found/,
  );
  assert.match(text, /The end of the log:\none\ntwo "quoted" \\ ```fenced```\nthree$/);
});

test('Discord gets a block that nothing inside can end, and that rings nobody', async (t) => {
  const receiver = await http(t, { status: 204 });
  await send(`discord+http://${receiver.host}/api/webhooks/1/x?thread_id=5`);
  assert.equal(receiver.requests[0]?.path, '/api/webhooks/1/x?thread_id=5');
  const { content, allowed_mentions } = receiver.json();
  assert.deepEqual(allowed_mentions, { parse: [] });
  assert.match(content, /^\*\*Restore drill failed: my\\_app on db1\*\*\n```\nmy_app: [^`]*'''fenced'''\nthree\n```$/);
});

test('ntfy gets its JSON at the root, with a priority by outcome', async (t) => {
  const receiver = await http(t);
  await send(`ntfy+http://:tk_abc@${receiver.host}/sub/alerts`);
  assert.equal(receiver.requests[0]?.path, '/sub');
  assert.equal(receiver.requests[0]?.headers.authorization, `Basic ${Buffer.from(':tk_abc').toString('base64')}`);
  const { message, ...rest } = receiver.json();
  assert.deepEqual(rest, {
    topic: 'alerts',
    title: 'Restore drill failed: my_app on db1',
    priority: 4,
    tags: ['rotating_light'],
  });
  assert.match(message, /^my_app: table "orders" <!channel>/);
});

test('Telegram gets one message per chat, and a chat that refuses is no second message to the others', async (t) => {
  const refusal = { status: 400, body: '{"ok":false,"description":"Bad Request: chat not found"}' };
  const receiver = await http(t, { status: 200 }, refusal);
  const deliveries = await send(`telegram+http://110:AAH-x_y@${receiver.host}?chats=-1001,@ops`);
  assert.deepEqual(deliveries.map(({ ok }) => ok).sort(), [false, true]);
  assert.match(deliveries.find(({ ok }) => !ok)?.error ?? '', /HTTP 400: .*chat not found/);
  assert.equal(receiver.requests.length, 2);
  assert.equal(receiver.requests[0]?.path, '/bot110:AAH-x_y/sendMessage');
  assert.deepEqual([0, 1].map((index) => receiver.json(index).chat_id).sort(), ['-1001', '@ops']);
  assert.equal(receiver.json().parse_mode, undefined);
  assert.match(receiver.json().text, /^Restore drill failed: my_app on db1\n\nmy_app: table "orders" <!channel>/);
});

test('what is too long is cut to what each service takes, in whole characters', async (t) => {
  const receiver = await http(t);
  const urls = ['slack', 'discord', 'ntfy', 'telegram'].map((kind) => {
    return kind === 'telegram'
      ? `telegram+http://1:a@${receiver.host}?chats=1`
      : `${kind}+http://${receiver.host}/${kind}`;
  });
  const mailbox = await smtp(t);
  urls.push(`smtp://${mailbox.host}/?from=a@example.com&to=b@example.com`, `http://${receiver.host}/hook`);
  const shortText: Notice = { ...LONG, items: NOTICE.items };
  for (const notice of [LONG, shortText]) assert.ok((await send(urls.join(','), notice)).every(({ ok }) => ok));
  const bodies = receiver.requests.map((_, index) => receiver.json(index));
  const texts = (name: string) => bodies.map((body) => body[name]).filter((text) => text !== undefined);
  for (const content of texts('content')) assert.ok(content.length <= 2_000);
  for (const message of texts('message')) assert.ok(Buffer.byteLength(message) <= 4_096);
  for (const { chat_id, text } of bodies) if (chat_id) assert.ok(text.length <= 4_096);
  for (const text of [...texts('content'), ...texts('message'), ...texts('text')]) {
    assert.doesNotMatch(text, /\p{Cs}/u);
    assert.match(text, /\(cut\)|last words/);
  }
  assert.equal(mailbox.mails.length, 2);
});

test('mail comes with a subject, a text, every recipient, and a mark that no machine answers', async (t) => {
  const mailbox = await smtp(t);
  const [delivery] = await send(`smtp://${mailbox.host}/?from=backup@example.com&to=a@example.com,ops+db@example.com`);
  assert.equal(delivery?.error, undefined);
  const [mail] = mailbox.mails;
  assert.equal(mail?.from, 'backup@example.com');
  assert.deepEqual(mail.to, ['a@example.com', 'ops+db@example.com']);
  assert.match(mail.raw, /^Subject: Restore drill failed: my_app on db1\r$/m);
  assert.match(mail.raw, /^From: Database backups <backup@example.com>\r$/m);
  assert.match(mail.raw, /^Auto-Submitted: auto-generated\r$/m);
  assert.match(mail.raw, /since: 2026-07-01 00:00:00Z/);
  assert.equal(mail.encrypted, true, 'STARTTLS is used where it is offered');
});

test('a password is sent after STARTTLS to a certificate that is trusted, or as the operator allows', async (t) => {
  const mailbox = await smtp(t, 'p@ss:w/rd');
  const plain = await smtp(t, 'p@ss:w/rd', { disabledCommands: ['STARTTLS'], allowInsecureAuth: true });
  const [implicit] = [await smtp(t, 'p@ss:w/rd', { secure: true })];
  const login = 'backup:p%40ss%3Aw%2Frd';
  const query = '?from=a@example.com&to=b@example.com';
  const [untrusted, refused, tls, optional, never] = await send(
    [
      `smtp://${login}@${mailbox.host}/${query}`,
      `smtp://${login}@${plain.host}/${query}`,
      `smtps://${login}@${implicit.host}/${query}`,
      `smtp://${login}@${mailbox.host}/${query}&starttls=optional`,
      `smtp://${login}@${plain.host}/${query}&starttls=never`,
    ].join(','),
  );
  assert.match(untrusted?.error ?? '', /certificate/);
  assert.match(refused?.error ?? '', /STARTTLS.*\?starttls=optional/i);
  assert.match(tls?.error ?? '', /certificate/);
  assert.equal(optional?.error, undefined);
  assert.equal(never?.error, undefined);
  assert.deepEqual(mailbox.logins, ['backup:p@ss:w/rd']);
  assert.deepEqual(plain.logins, ['backup:p@ss:w/rd']);
  assert.deepEqual(implicit.logins, []);
  assert.equal(mailbox.mails[0]?.user, 'backup');
});

test('a wrong password is said once, and not repeated in the log', async (t) => {
  const mailbox = await smtp(t, 'right');
  const url = `smtp://backup:wrong-pass-77@${mailbox.host}/?from=a@example.com&to=b@example.com&starttls=optional`;
  const output = await standardErrorOf(() => notify({ urls: parseNotifyUrls(url), on: 'failure' }, NOTICE, PATIENT));
  assert.match(output, /warn: could not notify smtp \(127\.0\.0\.1:\d+\): .*no such login: backup \[secret\]/);
  assert.doesNotMatch(output, /wrong-pass-77/);
  assert.equal(mailbox.logins.length, 1);
});

test('a recipient that is refused is a failure, though the others get the mail, once', async (t) => {
  const mailbox = await smtp(t, '', {
    onRcptTo: ({ address }, _session, done) => done(address === 'gone@example.com' ? new Error('gone') : null),
  });
  const [delivery] = await send(`smtp://${mailbox.host}/?from=a@example.com&to=b@example.com,gone@example.com`);
  assert.match(delivery?.error ?? '', /refused 1 of 2 recipients/);
  assert.equal(mailbox.mails.length, 1);
});

test('a webhook and a mail server that hang are given up within the bound, and the others are told at once', async (t) => {
  const hanging = await http(t, 'hang');
  const good = await http(t);
  const query = '?from=a@example.com&to=b@example.com';
  const mute = await smtp(t, '', { onConnect: () => {} });
  const urls = parseNotifyUrls(
    `http://${hanging.host}/very-secret-path-of-a-hook,smtp://${mute.host}/${query},http://${good.host}/`,
  );
  const startedMs = performance.now();
  const output = await standardErrorOf(async () => {
    assert.equal(await notify({ urls, on: 'failure' }, NOTICE, QUICK), undefined);
  });
  assert.ok(performance.now() - startedMs < 2 * QUICK.timeoutMs + QUICK.retryDelayMs + 8_000);
  assert.match(output, new RegExp(`could not notify webhook \\(${hanging.host}\\): no answer within 1.0s`));
  assert.match(output, new RegExp(`could not notify smtp \\(${mute.host}\\): no answer within 1.0s`));
  assert.doesNotMatch(output, /very-secret/);
  assert.equal(hanging.requests.length, 2);
  assert.equal(good.requests.length, 1);
});

test('an answer that trickles in forever is given up too', async (t) => {
  const receiver = await http(t, { status: 200, headers: { 'content-length': '100000' }, body: 'x' });
  const [delivery] = await send(`http://${receiver.host}/`, NOTICE, QUICK);
  assert.match(delivery?.error ?? '', /no answer within 1.0s|closed|terminated|mismatch/i);
});

const FAILURES = {
  'HTTP 500 is tried twice': { answers: [{ status: 500 }], error: /HTTP 500/, requests: 2 },
  'HTTP 429 is tried twice': { answers: [{ status: 429 }], error: /HTTP 429/, requests: 2 },
  'a connection cut is tried twice': { answers: ['drop'], error: /closed|ECONNRESET/i, requests: 2 },
  'HTTP 404 is not tried again': { answers: [{ status: 404 }], error: /HTTP 404$/, requests: 1 },
  'what works at the second attempt is no failure': {
    answers: [{ status: 503 }, { status: 200 }],
    error: undefined,
    requests: 2,
  },
  'a redirect is named, and not followed': {
    answers: [{ status: 301, headers: { location: 'https://elsewhere.example/path/?token=1' } }],
    error: /HTTP 301, a redirect to https:\/\/elsewhere\.example; name the address/,
    requests: 1,
  },
} as const satisfies Record<string, { answers: readonly Answer[]; error: RegExp | undefined; requests: number }>;

for (const [title, { answers, error, requests }] of Object.entries(FAILURES)) {
  test(title, async (t) => {
    const receiver = await http(t, ...answers);
    const [delivery] = await send(`http://${receiver.host}/x`);
    assert.equal(delivery?.ok, error === undefined);
    if (error) assert.match(delivery?.error ?? '', error);
    assert.equal(receiver.requests.length, requests);
  });
}

test('a host that does not exist, a closed port and an untrusted certificate are said as that', async (t) => {
  const closed = await startHttpReceiver();
  await closed.close();
  const tls = await smtp(t, '', { secure: true });
  const query = '?from=a@example.com&to=b@example.com';
  const deliveries = await deliver(
    parseNotifyUrls(
      [
        'https://no-such-host.invalid/x',
        `smtp://no-such-host.invalid/${query}`,
        `http://${closed.host}/x`,
        `smtp://${closed.host}/${query}`,
        `https://${tls.host}/x`,
      ].join(),
    ),
    NOTICE,
    PATIENT,
  );
  const errors = deliveries.map(({ error = '' }) => error);
  assert.match(errors[0] ?? '', /ENOTFOUND|EAI_AGAIN/);
  assert.match(errors[1] ?? '', /no-such-host|ENOTFOUND|EAI_AGAIN|EDNS/);
  assert.match(errors[2] ?? '', /ECONNREFUSED/);
  assert.match(errors[3] ?? '', /ECONNREFUSED/);
  assert.match(errors[4] ?? '', /certificate/);
});

test('what a service repeats of the request does not bring its secrets into the log', async (t) => {
  const echo = { status: 400, body: 'no: /bot110:AAH-secret_y/sendMessage Authorization: Basic dXNlcjpodXNoLWh1c2g=' };
  const receiver = await http(t, echo);
  const urls = `telegram+http://110:AAH-secret_y@${receiver.host}?chats=1,ntfy+http://user:hush-hush@${receiver.host}/t`;
  const output = await standardErrorOf(() => notify({ urls: parseNotifyUrls(urls), on: 'always' }, NOTICE, PATIENT));
  assert.equal(output.match(/could not notify/g)?.length, 2);
  assert.doesNotMatch(output, /AAH-secret_y|dXNlcjpodXNoLWh1c2g/);
});

test('NOTIFY_ON=failure tells failures and warnings, always tells everything, and without NOTIFY_URL nothing happens', async (t) => {
  const receiver = await http(t);
  const urls = parseNotifyUrls(`http://${receiver.host}/`);
  for (const on of ['failure', 'always'] as const) {
    for (const outcome of ['success', 'warning', 'failure'] as const)
      await notify({ urls, on }, { ...NOTICE, outcome }, PATIENT);
  }
  const told = receiver.requests.map((_, index) => receiver.json(index).outcome);
  assert.deepEqual(told, ['warning', 'failure', 'success', 'warning', 'failure']);
  await notify({ urls: undefined, on: 'always' }, NOTICE);
  await notify({ urls: [], on: 'always' }, NOTICE);
});

test('a notice that cannot be put in words is logged, and thrown at nobody', async (t) => {
  const receiver = await http(t);
  const urls = parseNotifyUrls(`http://${receiver.host}/`);
  const output = await standardErrorOf(() => notify({ urls, on: 'always' }, { ...NOTICE, at: new Date('?') }, PATIENT));
  assert.match(output, /could not notify webhook/);
});

test('a heartbeat tells the beginning and the end of one run, and keeps the query', async (t) => {
  const receiver = await http(t);
  await standardErrorOf(async () => log.info('what the run said last'));
  const beat = heartbeat(`http://${receiver.host}/ping/my-check/?create=1`, PATIENT);
  void beat.start();
  await beat.success();
  const failing = heartbeat(`http://${receiver.host}/ping/my-check`, PATIENT);
  await failing.start();
  await failing.fail(`${'€'.repeat(9_000)} the end`);
  const paths = receiver.requests.map(({ path }) => path.replace(/rid=[0-9a-f-]{36}$/, 'rid=…'));
  assert.deepEqual(paths, [
    '/ping/my-check/start?create=1&rid=…',
    '/ping/my-check?create=1&rid=…',
    '/ping/my-check/start?rid=…',
    '/ping/my-check/fail?rid=…',
  ]);
  const rids = receiver.requests.map(({ path }) => new URL(path, 'http://x').searchParams.get('rid'));
  assert.equal(rids[0], rids[1]);
  assert.equal(rids[2], rids[3]);
  assert.notEqual(rids[0], rids[2]);
  assert.ok(receiver.requests.every(({ method }) => method === 'POST'));
  assert.equal(receiver.requests[0]?.body, '');
  assert.match(receiver.requests[1]?.body ?? '', /what the run said last$/);
  assert.ok(Buffer.byteLength(receiver.requests[3]?.body ?? '') <= 10_000);
  assert.match(receiver.requests[3]?.body ?? '', /€ the end$/);
});

test('a heartbeat that hangs, fails or is of no check is logged without its path, and thrown at nobody', async (t) => {
  const hanging = await http(t, 'hang');
  const failing = await http(t, { status: 500 });
  const unknown = await http(t, { status: 200, body: 'OK (not found)' });
  const startedMs = performance.now();
  const output = await standardErrorOf(async () => {
    for (const { host } of [hanging, failing, unknown]) {
      const beat = heartbeat(`http://${host}/secret-id`, QUICK);
      await beat.fail();
    }
    await heartbeat(`http://${hanging.host}/secret-id`, QUICK).start();
    await heartbeat(undefined).start();
    await heartbeat('nonsense').success();
  });
  assert.ok(performance.now() - startedMs < 10_000);
  assert.match(output, new RegExp(`the heartbeat to ${hanging.host} failed: no answer within 1.0s`));
  assert.match(output, new RegExp(`the heartbeat to ${hanging.host} failed: no answer within 500ms`));
  assert.match(output, new RegExp(`the heartbeat to ${failing.host} failed: answered HTTP 500`));
  assert.match(output, new RegExp(`the heartbeat to ${unknown.host} failed: the monitor answered "not found"`));
  assert.doesNotMatch(output, /secret-id/);
});

async function run(t: TestContext, args: readonly string[], environment: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'notify-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const child = spawn(join(root, 'node_modules/.bin/tsx'), [join(root, 'scripts/notify-test.ts'), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, POSTGRES_PASSWORD: 'not-needed', ...environment },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const startedMs = performance.now();
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exitCode, stdout, stderr, durationMs: performance.now() - startedMs };
}

test('notify-test tells everybody, with exit 0', async (t) => {
  const receiver = await http(t);
  const mailbox = await smtp(t);
  const mail = `smtp://${mailbox.host}/?from=a@example.com&to=b@example.com`;
  const NOTIFY_URL = `http://${receiver.host}/hush-hush-hush-hush,${mail}`;
  const text = await run(t, [], { NOTIFY_URL });
  assert.equal(text.exitCode, 0, text.stderr);
  assert.match(text.stdout, /^webhook \(127\.0\.0\.1:\d+\): sent in .*\nsmtp \(127\.0\.0\.1:\d+\): sent in .*\n$/);
  const json = await run(t, ['--json'], { NOTIFY_URL });
  const { ok, results } = JSON.parse(json.stdout);
  assert.equal(ok, true);
  assert.deepEqual(
    results.map(({ kind }: { kind: string }) => kind),
    ['webhook', 'smtp'],
  );
  assert.equal(receiver.json().verb, 'test');
  assert.equal(receiver.requests.length, 2);
  assert.equal(mailbox.mails.length, 2);
});

test('notify-test with a webhook that hangs ends by itself, exits 1, and still tells the others', async (t) => {
  const hanging = await http(t, 'hang');
  const good = await http(t);
  const result = await run(t, ['--json'], {
    NOTIFY_URL: `http://${hanging.host}/hush-hush-hush-hush,http://${good.host}/`,
  });
  assert.equal(result.exitCode, 1);
  assert.ok(result.durationMs < 45_000);
  assert.deepEqual(
    JSON.parse(result.stdout).results.map(({ ok }: { ok: boolean }) => ok),
    [false, true],
  );
  assert.match(result.stderr, /no answer within 10\.0s/);
  assert.doesNotMatch(result.stdout + result.stderr, /hush/);
  assert.equal(good.requests.length, 1);
});

test('notify-test without NOTIFY_URL, or with a wrong one, exits 2', async (t) => {
  const none = await run(t, [], {});
  assert.equal(none.exitCode, 2);
  assert.match(none.stderr, /NOTIFY_URL is not set/);
  const wrong = await run(t, [], { NOTIFY_URL: 'foo://hush-hush' });
  assert.equal(wrong.exitCode, 2);
  assert.match(wrong.stderr, /NOTIFY_URL: entry 1 \(foo:\/\/\) is of no known kind/);
  assert.doesNotMatch(wrong.stderr, /hush/);
});
