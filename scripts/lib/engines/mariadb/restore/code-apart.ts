import { existsSync, readFileSync } from 'node:fs';
import { runProgram, type Stage } from '../../../pipeline/chain.ts';
import type { CodeKind } from '../server/code-objects.ts';
import type { LeftOut } from './made-later.ts';

const MADE =
  /\b(TRIGGER|FUNCTION|PROCEDURE|PACKAGE BODY|PACKAGE|EVENT)\s+(?:IF NOT EXISTS\s+)?(?:`(?:[^`]|``)*`\s*\.\s*)?(?:`((?:[^`]|``)*)`|([^\s`(]+))/i;
const FAILED = /^ERROR \d+ \(\w+\) at line (\d+): (.*)$/gm;

/**
 * Makes triggers, routines and events that stand in a file, and goes on without one that cannot be made.
 * @param client the loading client, told to go on after an error: there is no row in the file
 * @returns what could not be made, and what the server says of it
 */
export async function makeCodeApart(path: string, client: Stage, signal: AbortSignal): Promise<LeftOut[]> {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (!text.includes('DELIMITER ;;')) return [];
  const { stderr } = await runProgram(client, { input: text, signal });
  signal.throwIfAborted();
  const lines = text.split('\n');
  return [...stderr.matchAll(FAILED)].map(([, line, why = '']) => {
    const [, kind = 'procedure', quoted, bare] = MADE.exec(lines.slice(Number(line) - 1).join('\n')) ?? [];
    return { kind: kind.toLowerCase() as CodeKind, name: quoted?.replaceAll('``', '`') ?? bare ?? '', why };
  });
}
