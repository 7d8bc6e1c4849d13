import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

/**
 * Encodings of PostgreSQL's under the names that the Encoding Standard has for them, where the two differ.
 * https://www.postgresql.org/docs/current/multibyte.html, https://encoding.spec.whatwg.org/#names-and-labels
 * @type {Readonly<Record<string, string>>}
 */
const STANDARD = {
  EUC_CN: 'gbk',
  EUC_JIS_2004: 'euc-jp',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  LATIN5: 'iso-8859-9',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  SHIFT_JIS_2004: 'shift_jis',
  SJIS: 'shift_jis',
  UHC: 'euc-kr',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
};

/**
 * What reads text that is written in an encoding of PostgreSQL's; undefined for one that nobody here knows, and for SQL_ASCII,
 * which is none.
 * @param {string} encoding as in `SET client_encoding`
 */
export function decoderOf(encoding) {
  const name = encoding.toUpperCase();
  const label =
    STANDARD[name] ??
    name
      .replace(/^LATIN(?=\d)/, 'iso-8859-')
      .replace(/^WIN(?=\d)/, 'windows-')
      .replaceAll('_', '-');
  try {
    return new TextDecoder(label);
  } catch {
    return undefined;
  }
}

/**
 * A line of a dump in UTF-8. Bytes of another encoding may happen to be UTF-8: where the dump says what they are, that counts.
 * @param {Buffer} line
 * @param {ReturnType<typeof decoderOf>} decoder
 */
export function asUtf8(line, decoder) {
  if (decoder === undefined) return isUtf8(line) ? line : Buffer.from(line.toString('latin1'), 'utf8');
  return decoder.encoding === 'utf-8' ? line : Buffer.from(decoder.decode(line), 'utf8');
}

const TAB = 9;
/** More than a key can have. */
const KEPT_FIELD_BYTES = 1 << 16;

/**
 * The fields of a row of COPY's, which may be longer than any string.
 * @param {Buffer} line
 */
export function partsOf(line) {
  const parts = [];
  for (let at = 0; at <= line.length; ) {
    const tab = line.indexOf(TAB, at);
    const end = tab < 0 ? line.length : tab;
    parts.push(line.subarray(at, end));
    at = end + 1;
  }
  return parts;
}

/**
 * A field's text, or what a long one begins with: that is enough to tell keys.
 * @param {Buffer} field
 */
export const startOf = (field) => field.toString('utf8', 0, Math.min(field.length, KEPT_FIELD_BYTES));

/** A string takes no more than half a gigabyte, a row does; up to here it is the faster way. */
const SHORT_ROW_BYTES = 1 << 20;

/**
 * The fields of a row of COPY's in another order.
 * @param {Buffer} line
 * @param {readonly number[]} order
 */
export function inOrder(line, order) {
  if (line.length <= SHORT_ROW_BYTES) {
    const fields = line.toString('latin1').split('\t');
    return Buffer.from(order.map((from) => fields[from]).join('\t'), 'latin1');
  }
  const fields = partsOf(line);
  const tab = Buffer.from([TAB]);
  return Buffer.concat(order.flatMap((from, to) => [...(to === 0 ? [] : [tab]), fields[from] ?? Buffer.alloc(0)]));
}

/** @param {string} text */
export const digestOf = (text) => createHash('sha256').update(text, 'latin1').digest('hex').slice(0, 32);

/** @param {string} text of bytes */
export const utf8 = (text) => Buffer.from(text, 'latin1').toString('utf8');
