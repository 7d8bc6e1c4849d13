import { messageOf } from '../../errors.ts';
import { registerSecret } from '../../terminal/log.ts';
import { Refusal } from '../attempt.ts';
import { decode } from '../http.ts';
import { fitMessage, type Message } from '../message.ts';
import { type Address, listOf, readParameters, segmentsOf, type Target } from '../target.ts';

interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: Tls;
  readonly from: string;
  readonly to: readonly string[];
}

/** From the first byte; after STARTTLS, or not at all; where offered, by any certificate; never. */
type Tls = 'implicit' | 'required' | 'optional' | 'never';

const PORTS = { 'smtp:': 587, 'smtps:': 465 } as const;
const LONGEST_TEXT = 50_000;

/**
 * `smtp://[user:password@]host[:port]/?from=…&to=…[&starttls=required|optional|never]` and `smtps://…`. STARTTLS is
 * required where there is a password to protect, else used where the server offers it.
 */
export function readSmtp({ url }: Address): Target[] {
  const server = readServer(url);
  return [
    {
      kind: 'smtp',
      host: url.host,
      send: (message, signal) => send(server, message, signal),
    },
  ];
}

function readServer(url: URL): MailServer {
  const implicit = url.protocol === 'smtps:';
  const parameters = readParameters(url, implicit ? ['from', 'to'] : ['from', 'to', 'starttls']);
  const user = decode(url.username);
  const password = decode(url.password);
  registerSecret(password);
  registerSecret(url.password);
  registerSecret(Buffer.from(password).toString('base64'));
  registerSecret(Buffer.from(`\0${user}\0${password}`).toString('base64'));
  if (url.hostname === '') throw new Error('names no host: smtp://user:password@host:587/?from=…&to=…');
  if (segmentsOf(url).length > 0) throw new Error('takes no path');
  if (!implicit && url.port === '465') throw new Error('port 465 speaks TLS from the start: write smtps://');
  const starttls = parameters.get('starttls') ?? (password === '' ? 'optional' : 'required');
  if (starttls !== 'required' && starttls !== 'optional' && starttls !== 'never') {
    throw new Error('wants starttls=required, optional or never');
  }
  const from = parameters.get('from') ?? user;
  const to = listOf(parameters.get('to'));
  if (!isAddress(from)) throw new Error('wants ?from=, a mail address');
  if (to.length === 0 || !to.every(isAddress))
    throw new Error('wants ?to=, one or more mail addresses with commas between them');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? PORTS[url.protocol as keyof typeof PORTS] : Number(url.port),
    user,
    password,
    tls: implicit ? 'implicit' : starttls,
    from,
    to,
  };
}

function isAddress(text: string): boolean {
  return /^[^\s@<>(),;:"\\]+@[^\s@<>(),;:"\\]+$/.test(text);
}

async function send(server: MailServer, message: Message, signal: AbortSignal): Promise<void> {
  // only those who send mail pay for loading it
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host: server.host,
    port: server.port,
    secure: server.tls === 'implicit',
    requireTLS: server.tls === 'required',
    ignoreTLS: server.tls === 'never',
    // an unknown certificate is still better than none, where none would do
    ...(server.tls === 'optional' ? { opportunisticTLS: true, tls: { rejectUnauthorized: false } } : {}),
    ...(server.user === '' && server.password === '' ? {} : { auth: { user: server.user, pass: server.password } }),
    socketCloseTimeout: 1_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({
      from: { name: 'Database backups', address: server.from },
      to: [...server.to],
      subject: message.subject,
      text: `${fitMessage(message, LONGEST_TEXT)}\n`,
      // so that no out-of-office reply comes back
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal,
    });
    // those who were accepted have it: a second attempt would be a second mail to them
    if (rejected.length > 0) throw new Refusal(`refused ${rejected.length} of ${server.to.length} recipients`);
  } catch (error) {
    throw failureOf(error);
  }
}

function failureOf(error: unknown): Error {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  const final = error instanceof Refusal || code === 'EAUTH' || (responseCode ?? 0) >= 500;
  const hint = code === 'ETLS' ? '; ?starttls=optional does without TLS' : '';
  const message = `${messageOf(error)}${hint}`;
  return final ? new Refusal(message, { cause: error }) : new Error(message, { cause: error });
}
