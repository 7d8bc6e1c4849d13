import type { ServerResponse } from 'node:http';

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>';

type Fields = { readonly [name: string]: string | readonly Fields[] };

/** Answers with a document of one element. */
export function xml(response: ServerResponse, name: string, fields: Fields): void {
  response.setHeader('Content-Type', 'application/xml');
  response.end(`${HEAD}<${name}>${elements(fields)}</${name}>`);
}

/** The unescaped texts of all elements of that name. */
export function textOf(document: Buffer | string, name: string): string[] {
  const found = document.toString().matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'));
  return [...found].map(([, text = '']) => (text.includes('<') ? text : plain(text)));
}

/** A page of ListObjectsV2, of `keys` in the order of their bytes. */
export function listingOf(
  bucket: string,
  keys: readonly string[],
  sizeOf: (key: string) => number,
  query: URLSearchParams,
): string {
  const prefix = query.get('prefix') ?? '';
  const maxKeys = Math.min(1000, Number(query.get('max-keys') ?? 1000));
  const token = query.get('continuation-token');
  const encode = encoderOf(query);
  let index = token === null ? 0 : Number(token);
  const page: string[] = [];
  for (; index < keys.length && page.length < maxKeys; index++) {
    const key = keys[index] ?? '';
    if (!key.startsWith(prefix)) continue;
    page.push(
      `<Contents><Key>${encode(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>` +
        `<ETag>&quot;0&quot;</ETag><Size>${sizeOf(key)}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    );
  }
  while (index < keys.length && !keys[index]?.startsWith(prefix)) index++;
  const isTruncated = index < keys.length;
  return (
    `${HEAD}<ListBucketResult><Name>${bucket}</Name><Prefix>${encode(prefix)}</Prefix><MaxKeys>${maxKeys}</MaxKeys>` +
    `<EncodingType>${query.get('encoding-type') ?? ''}</EncodingType><KeyCount>${page.length}</KeyCount>` +
    `<IsTruncated>${isTruncated}</IsTruncated>${page.join('')}` +
    `${isTruncated ? `<NextContinuationToken>${index}</NextContinuationToken>` : ''}</ListBucketResult>`
  );
}

/** A page of ListMultipartUploads, two uploads long so that pages are seen. */
export function uploadsOf(
  bucket: string,
  uploads: readonly { id: string; key: string; initiated: Date }[],
  query: URLSearchParams,
): string {
  const prefix = query.get('prefix') ?? '';
  const encode = encoderOf(query);
  const order = (a: { id: string; key: string }, b: { id: string; key: string }) =>
    `${a.key}\0${a.id}` < `${b.key}\0${b.id}` ? -1 : 1;
  const after = { key: query.get('key-marker') ?? '', id: query.get('upload-id-marker') ?? '' };
  const rest = uploads
    .filter(({ key }) => key.startsWith(prefix))
    .filter((upload) => order(after, upload) < 0 && `${upload.key}\0${upload.id}` !== `${after.key}\0${after.id}`)
    .sort(order);
  const page = rest.slice(0, 2);
  const last = page.at(-1);
  const isTruncated = rest.length > page.length;
  const next =
    isTruncated && last
      ? `<NextKeyMarker>${encode(last.key)}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`
      : '';
  const found = page.map(
    ({ id, key, initiated }) =>
      `<Upload><Key>${encode(key)}</Key><UploadId>${id}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
  );
  return (
    `${HEAD}<ListMultipartUploadsResult><Bucket>${bucket}</Bucket><EncodingType>url</EncodingType>` +
    `<IsTruncated>${isTruncated}</IsTruncated>${next}${found.join('')}</ListMultipartUploadsResult>`
  );
}

/** As AWS does it: a space is a plus. */
function encoderOf(query: URLSearchParams): (key: string) => string {
  if (query.get('encoding-type') !== 'url') return escaped;
  return (key) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
}

function elements(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) =>
      typeof value === 'string'
        ? `<${name}>${escaped(value)}</${name}>`
        : value.map((inner) => `<${name}>${elements(inner)}</${name}>`).join(''),
    )
    .join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function plain(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&gt;', '>')
    .replaceAll('&lt;', '<')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}
