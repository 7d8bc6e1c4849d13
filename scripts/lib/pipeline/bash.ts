import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * The command that runs a script of ours with bash. Its text is handed over, not its path: an account that a server runs
 * as may not read our folder. Without the operator's own ~/.bashrc, whatever that prints or does: bash reads it when its
 * input is a socket, as a child's is here.
 * @param script the path of a .sh file
 */
export function bash(script: string, args: readonly string[]): { command: string; args: string[] } {
  return { command: 'bash', args: ['--norc', '-c', readFileSync(script, 'utf8'), basename(script), ...args] };
}
