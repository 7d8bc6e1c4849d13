import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';

/** Values that are nowhere but where they are needed. Each is long enough to be nothing else. */
export const CANARY = {
  postgres: 'canary-Pg-$4/7+x@1',
  mariadb: 'canary-Maria-$5/8+y@2',
  s3Secret: 'canary-S3-secret-6a9c0e1b2d3f',
  webhookPassword: 'canary-webhook-password',
  webhookToken: 'canary-webhook-token-00000001',
  slack: 'canarySlackToken00000002',
  ntfy: 'tk_canaryNtfyToken0000003',
  telegram: '4711:canary-Telegram-Token-0004',
  discord: 'canary-discord-token-00000005',
  smtp: 'canary-smtp-password-6',
  heartbeat: 'canary-heartbeat-uuid-000007',
  identity: execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .split('\n')
    .filter((line) => line.startsWith('AGE-SECRET-KEY-'))
    .join(),
} as const;

export type Canary = keyof typeof CANARY;

/** A secret as it is, and as it looks inside a URL, a JSON document, or Basic authorization. */
function formsOf(secret: string): string[] {
  const basic = ['', 'me:', 'backup:', ':'].map((user) => Buffer.from(`${user}${secret}`).toString('base64'));
  return [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret).slice(1, -1), ...basic];
}

/** Which canaries are in a text. */
export function canariesIn(text: string): Canary[] {
  return (Object.keys(CANARY) as Canary[]).filter((name) => formsOf(CANARY[name]).some((form) => text.includes(form)));
}

/** A stored object's bytes as text, uncompressed where they are compressed. */
export function readable(key: string, bytes: Uint8Array): string {
  const plain = key.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return Buffer.from(plain).toString('utf8');
}

/** The public key of the identity. */
export function recipient(): string {
  return execFileSync('age-keygen', ['-y'], { encoding: 'utf8', input: CANARY.identity }).trim();
}
