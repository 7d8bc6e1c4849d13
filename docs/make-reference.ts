/**
 * Writes the generated parts of docs/reference.md: `make reference`. What the code knows is taken from the code, what
 * a variable means from .env.example, and what a field means from json-fields.ts, so that each is written once.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isSecret, VARIABLES, type Variable } from '../scripts/lib/config/variables.ts';
import { JSON_FIELDS } from './json-fields.ts';

const PROJECT = fileURLToPath(new URL('../', import.meta.url));
const REFERENCE = `${PROJECT}docs/reference.md`;
const HOW = 'then run: make reference';

const read = (path: string) => readFileSync(`${PROJECT}${path}`, 'utf8');

/** Families of variables of which everybody names their own; what follows the name is one of these. */
const FAMILIES = ['BACKUP_SOURCE_', 'COPY_', 'PITR_SERVER_'];
const FAMILY_MEMBER = new RegExp(`^(${FAMILIES.join('|')})([A-Z0-9]+)(_[A-Z_]+)?$`);

/** Read by Compose itself. */
const COMPOSE_OWN = ['COMPOSE_PROFILES'];

/** Some lines of .env.example: what they say, and the variables that they say it of. */
interface Paragraph {
  readonly text: string;
  readonly settings: readonly { readonly name: string; readonly value: string; readonly isActive: boolean }[];
}

/** The sections of .env.example with what stands in them. Text above other text belongs to the section as a whole. */
function readExample(): { title: string; paragraphs: Paragraph[] }[] {
  const [, ...sections] = read('.env.example').split(/^# ---- /m);
  return sections.map((section) => {
    const [title = '', ...lines] = section.split('\n');
    const paragraphs: Paragraph[] = [];
    let text: string[] = [];
    let settings: Paragraph['settings'][number][] = [];
    const flush = () => {
      if (text.length > 0 || settings.length > 0) paragraphs.push({ text: joined(text), settings });
      [text, settings] = [[], []];
    };
    for (const line of [...lines, '']) {
      const [, hash, name, value = ''] = /^(# )?([A-Z][A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
      if (name !== undefined) settings.push({ name, value: unquoted(value), isActive: hash === undefined });
      else {
        if (settings.length > 0 || line === '') flush();
        if (line !== '') text.push(line.replace(/^# ?/, ''));
      }
    }
    return { title: title.replace(/[\s-]*$/, ''), paragraphs };
  });
}

const unquoted = (value: string) => value.replace(/^'(.*)'$/, '$1');

/** Lines as one paragraph; an indented one keeps its own line. */
function joined(lines: readonly string[]): string {
  return lines
    .filter((line) => !line.startsWith('Make one: '))
    .map((line) => (line.startsWith(' ') ? `<br>\`${line.trim().replaceAll(/ {2,}/g, '`, `')}\`` : line))
    .join(' ')
    .replaceAll(' <br>', '<br>');
}

/** Text for a cell of a table: names and values as code, and nothing that Markdown would read as its own. */
function cell(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, i) =>
      i % 2 === 1
        ? part.replaceAll('|', '\\|')
        : part
            .replaceAll('|', '\\|')
            .replaceAll(/<(?!br>)/g, '&lt;')
            .replaceAll(
              /(?<![\w/.-])(?:\?\w+=[^\s,:]*|[a-z]+:\/\/[^\s,)]*[^\s,).:]|[A-Z0-9_]+_\*|[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9](?:=[^\s,)]*[^\s,).:;])?)/g,
              '`$&`',
            )
            .replaceAll(/(?<!`[^`]*)\*(?![^`]*`)/g, '\\*'),
    )
    .join('');
}

/** The name under which a variable is listed: of a family member, that of the family. */
function listedName(name: string): string {
  const [, prefix = '', , suffix = ''] = FAMILY_MEMBER.exec(name) ?? [];
  return prefix === '' || Object.hasOwn(VARIABLES, name) ? name : `${prefix}<NAME>${suffix}`;
}

/** Every variable, as tables by the sections of .env.example. @throws Error that says what to add where */
export function variablesPart(): string {
  const compose = read('docker-compose.yml') + read('docker-compose.secrets.yml');
  const seen = new Set<string>();
  const parts = readExample().map(({ title, paragraphs }) => {
    const prose: string[] = [];
    const rows = new Map<string, { defaults: string; meanings: string[] }>();
    for (const { text, settings } of paragraphs) {
      if (settings.length === 0) prose.push(cell(text));
      for (const { name, value, isActive } of settings) {
        const listed = listedName(name);
        seen.add(name);
        const isOurs = Object.hasOwn(VARIABLES, name) || listed !== name;
        if (!isOurs && !new RegExp(`\\$\\{${name}\\b`).test(compose) && !COMPOSE_OWN.includes(name))
          throw new Error(`.env.example has ${name}, which nothing reads: remove it, or add it to VARIABLES; ${HOW}`);
        const defaults = defaultOf(name, listed === name && !isActive ? value : '');
        const row = rows.get(listed) ?? { defaults, meanings: [] };
        if (text !== '' && !row.meanings.includes(text)) row.meanings.push(text);
        rows.set(listed, row);
      }
    }
    const byMeaning = new Map<string, { names: string[]; defaults: string[] }>();
    for (const [name, { defaults, meanings }] of rows) {
      if (meanings.length === 0) throw new Error(`.env.example does not explain ${name}: add a comment above; ${HOW}`);
      const meaning = meanings.map(cell).join(' ');
      const row = byMeaning.get(meaning) ?? { names: [], defaults: [] };
      row.names.push(isSecret(name) ? `\`${name}\`, \`${name}_FILE\`` : `\`${name}\``);
      row.defaults.push(defaults);
      byMeaning.set(meaning, row);
    }
    const table = [...byMeaning].map(([meaning, { names, defaults }]) => {
      const shown = defaults.every((value) => value === '–') ? ['–'] : defaults;
      return `| ${names.join(', ')} | ${shown.join(', ')} | ${meaning} |`;
    });
    const [heading = ''] = title.split(':');
    return [
      `### ${heading}`,
      ...prose,
      ...(table.length > 0 ? [['| variable | default | |', '| --- | --- | --- |', ...table].join('\n')] : []),
    ].join('\n\n');
  });
  const missing = Object.keys(VARIABLES).filter((name) => !seen.has(name));
  if (missing.length > 0)
    throw new Error(`.env.example lacks ${missing.join(', ')}: add a line with a comment for each; ${HOW}`);
  return parts.join('\n\n');
}

function defaultOf(name: string, shown: string): string {
  const table: Readonly<Record<string, Variable<unknown>>> = VARIABLES;
  const value = table[name]?.default ?? (Object.hasOwn(VARIABLES, name) ? '' : shown);
  if (COMPOSE_OWN.includes(name)) return '–';
  if (name === 'S3_ENDPOINT') return `\`${shown}\` (in compose)`;
  return value === '' ? '–' : `\`${value}\``;
}

/** The make targets, by the groups of the Makefile. */
export function targetsPart(): string {
  return read('Makefile')
    .split(/^##@ /m)
    .slice(1)
    .map((group) => {
      const [title] = group.split('\n');
      const rows = [...group.matchAll(/^([a-z-]+):.*?## (.*)$/gm)].map(
        ([, target = '', what = '']) => `| \`make ${target}\` | ${cell(what)} |`,
      );
      return [`**${title}**`, ['| command | what it does |', '| --- | --- |', ...rows].join('\n')].join('\n\n');
    })
    .join('\n\n');
}

/** The verbs' names: each is a script. The demonstration is none, since it is not in the image. */
export function verbNames(): string[] {
  return readdirSync(`${PROJECT}scripts`)
    .filter((name) => name.endsWith('.ts') && name !== 'demo.ts')
    .map((name) => name.replace('.ts', ''))
    .sort();
}

/**
 * What each verb's --help prints.
 * @param bundle a folder with the verbs as the image has them, where there is one: from source each takes half a second
 */
export async function verbsPart(bundle?: string): Promise<string> {
  const helps: string[] = [];
  for (const verb of verbNames()) {
    const script = bundle === undefined ? ['--import', 'tsx', `scripts/${verb}.ts`] : [`${bundle}/${verb}.mjs`];
    const { stdout } = await promisify(execFile)(process.execPath, [...script, '--help'], { cwd: PROJECT });
    helps.push(`### ${verb}\n\n\`\`\`\n${stdout.trim()}\n\`\`\``);
  }
  return helps.join('\n\n');
}

/** The fields of every document that --json prints. */
export function fieldsPart(): string {
  return Object.entries(JSON_FIELDS)
    .map(([command, fields]) => {
      const rows = Object.entries(fields).map(([path, meaning]) => `| \`${path}\` | ${cell(meaning)} |`);
      return [`### ${command}`, ['| field | |', '| --- | --- |', ...rows].join('\n')].join('\n\n');
    })
    .join('\n\n');
}

/** The page as it should be. */
export async function reference(): Promise<string> {
  const parts: Readonly<Record<string, string>> = {
    targets: targetsPart(),
    verbs: await verbsPart(),
    variables: variablesPart(),
    fields: fieldsPart(),
  };
  return Object.entries(parts).reduce(
    (page, [name, text]) => {
      const [start, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`];
      const [before, rest] = page.split(start);
      const after = rest?.split(end)[1];
      if (before === undefined || after === undefined) throw new Error(`docs/reference.md has lost its mark ${start}`);
      return `${before}${start}\n\n${text}\n\n${end}${after}`;
    },
    readFileSync(REFERENCE, 'utf8'),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(REFERENCE, await reference());
