import { spawn } from 'node:child_process';
import type { Engine } from './applications.ts';

/** What a database holds, found out without anything of the product's. */
export interface Picture {
  /** As the server's own dump program writes them. */
  readonly definitions: string;
  /** A digest of each table's rows, where each sequence stands, and what else is no definition. */
  readonly data: ReadonlyMap<string, string>;
  readonly tables: number;
  readonly rows: number;
  /** A query that gives that number: of the server's own words, for whoever looks into a copy. */
  readonly counting: string;
}

/** A server that applications' databases are made on. */
export interface Server {
  readonly engine: Engine;
  readonly version: string;
  /** Of the source, which is one of the product's. */
  url(database: string, format: string): string;
  create(database: string): Promise<void>;
  /** How a program of the application's reaches a database. */
  address(database: string): Readonly<Record<string, string>>;
  /** Runs statements with the server's own client, and ends at the first that fails. */
  apply(database: string, statements: readonly string[]): Promise<void>;
  /** Puts rows into tables that have none. @returns those that stay empty */
  fill(database: string, session?: string): Promise<string[]>;
  /** Extensions that could be made here. */
  extensions(): Promise<readonly string[]>;
  picture(database: string): Promise<Picture>;
  /** What the server's own programs make of it: definitions that come back in other words come back so from there too. */
  copiedDefinitions(database: string): Promise<string>;
  /** Every database whose name starts so is dropped. */
  drop(start: string): Promise<void>;
  stop(): Promise<void>;
}

/** One text of many, each of which ends as a statement does. */
export function joined(statements: readonly string[]): string {
  return statements.map((text) => (lastWords(text).endsWith(';') ? text : `${text}\n;`)).join('\n');
}

/** The last line that is neither empty nor a comment. */
function lastWords(text: string): string {
  const lines = text.trimEnd().split('\n');
  return lines.findLast((line) => !/^\s*(--|#|$)/.test(line))?.trimEnd() ?? ';';
}

/** Runs a program with an input, and gives its output. @throws with the end of what it said when it fails */
export function pass(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8', ...env } });
    const out: Buffer[] = [];
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-4_000);
    });
    // one that has failed does not read on
    child.stdin.on('error', () => {}).end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${command.replace(/.*\//, '')} ended with ${code}: ${said.trim().slice(-600)}`));
    });
  });
}
