import { DEBIAN } from './applications-debian.ts';
import { EXTENSIONS } from './applications-extensions.ts';
import { LANGUAGES } from './applications-languages.ts';
import type { Package, Registry } from './packages.ts';

export type Engine = 'postgres' | 'mariadb';

/** An application's definitions on one engine, and how they come out of its package. */
export interface Application {
  readonly name: string;
  readonly engine: Engine;
  readonly packages: readonly Package[];
  /** Statements before everything else. */
  readonly before?: string;
  /**
   * In this order, from the packages' folders. In the last part of a path `*` stands for any letters; what it finds is
   * taken in the order of the numbers and letters in the names. `.gz` is unpacked.
   */
  readonly files: readonly string[];
  /** A Python program of this folder that makes the database, with what its package's requirements brought. */
  readonly program?: string;
  /** Files that a pattern finds and that are not meant. */
  readonly without?: RegExp;
  /** What the application's installer would replace. */
  readonly edit?: (sql: string) => string;
  /** Statements after everything else. */
  readonly after?: string;
  /** What the session has to say before it may put rows in. */
  readonly session?: string;
  /** Differences that are known for what they are, and not mended: a run fails once they are no longer there. */
  readonly known?: { readonly difference: RegExp; readonly why: string };
  /** Extensions that the server must have at hand; without them the application is left out. */
  readonly extensions?: readonly string[];
}

/** A package by registry, name and version. */
export function from(registry: Registry, name: string, version: string): Package[] {
  return [{ registry, name, version }];
}

export const APPLICATIONS: readonly Application[] = [...DEBIAN, ...LANGUAGES, ...EXTENSIONS];
