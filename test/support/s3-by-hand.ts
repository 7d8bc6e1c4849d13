import { createHash, createHmac } from 'node:crypto';

/** Where and as whom; the names are those of .env. */
export interface Access {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Every key of the bucket, as the store lists them. */
export async function listKeys(access: Access): Promise<string[]> {
  return texts(await (await request(access, '', { 'list-type': '2' })).text(), 'Key');
}

/** The keys of uploads that were begun and neither finished nor aborted. */
export async function listUnfinished(access: Access): Promise<string[]> {
  return texts(await (await request(access, '', { uploads: '' })).text(), 'Key');
}

export async function getObject(access: Access, key: string): Promise<Buffer> {
  return Buffer.from(await (await request(access, key, {})).arrayBuffer());
}

/** What a client that shares no line with ours sees: S3 by its specification, signature version 4, and nothing else. */
async function request(access: Access, key: string, query: Readonly<Record<string, string>>): Promise<Response> {
  const url = new URL(`/${access.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`, access.endpoint);
  url.search = Object.entries(query)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join('&');
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const headers = { host: url.host, 'x-amz-content-sha256': sha256(''), 'x-amz-date': time };
  const names = Object.keys(headers).join(';');
  const canonical = [
    'GET',
    url.pathname,
    url.search.slice(1),
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = [time.slice(0, 8), access.region, 's3', 'aws4_request'];
  const signingKey = scope.reduce<string | Buffer>(hmac, `AWS4${access.secretKey}`);
  const signature = hmac(signingKey, ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(canonical)].join('\n'));
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${access.accessKey}/${scope.join('/')}, ` +
    `SignedHeaders=${names}, Signature=${signature.toString('hex')}`;
  const response = await fetch(url, { headers: { ...headers, authorization } });
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`);
  return response;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** The contents of every element of that name. */
function texts(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text]) => text ?? '');
}
