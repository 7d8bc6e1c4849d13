import { readFileSync } from 'node:fs';
import { codeOf, messageOf } from '../errors.ts';

const BYTE_ORDER_MARK = '\uFEFF';

/**
 * The text of a file that an editor, a shell or a secret store wrote: without a byte order mark.
 *
 * @throws Error that says what is wrong with the file, without its content
 */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Error(whyUnreadable(path, error));
  }
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16 || bytes.includes(0)) {
    throw new Error(`${path} holds NUL bytes, as UTF-16 does (PowerShell's > writes it); save it as UTF-8`);
  }
  const text = bytes.toString('utf8');
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

/**
 * The value in a file of `<VARIABLE>_FILE`, without the line breaks at its end.
 *
 * @throws Error as readText, and for a file that holds nothing
 */
export function readValue(path: string): string {
  const value = readText(path).replace(/[\r\n]+$/, '');
  if (value === '') throw new Error(`${path} is empty`);
  return value;
}

function whyUnreadable(path: string, error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `${path} is not there: no such file (ENOENT)`;
    case 'EISDIR':
      return `${path} is a folder; Docker makes one where the file to mount was missing. Remove it, write the file, start again (EISDIR)`;
    case 'EACCES':
    case 'EPERM': {
      const user = process.getuid?.() ?? 999;
      return `${path} may not be read by user ${user}, as whom this runs (${codeOf(error)}); make the file that user's: chown ${user} FILE && chmod 400 FILE`;
    }
    default:
      return messageOf(error);
  }
}
