/** A statement that may run beside others. */
export interface Task {
  readonly sql: string;
  /** What it works on, as the dump spells it. */
  readonly table: string;
  /** Nothing else may work on that table meanwhile. */
  readonly isExclusive: boolean;
  /** An index of columns alone: no function is called that might read another table. */
  readonly isOfColumns?: boolean;
}

/** A foreign key. */
export interface Reference extends Task {
  /** The constraint's name, as the dump spells it. */
  readonly constraint: string;
}

/** One step of building upon the tables: in order, or side by side. */
export type BuildStep =
  | { readonly kind: 'in order'; readonly statements: string[] }
  /** Indexes, and the constraints that are made of one. */
  | { readonly kind: 'indexes'; readonly tasks: Task[] }
  | { readonly kind: 'references'; readonly tasks: Reference[] };

export interface BuildPlan {
  /** What every session sets first. */
  readonly settings: readonly string[];
  readonly steps: readonly BuildStep[];
}

const NAME = '(?:"(?:[^"]|"")*"|[^\\s".(]+)';
const QUALIFIED = `(${NAME}(?:\\.${NAME})?)`;
const INDEX = new RegExp(`^CREATE (?:UNIQUE )?INDEX ${NAME} ON (?:ONLY )?${QUALIFIED} `);
const CONSTRAINT = new RegExp(
  `^ALTER TABLE (?:ONLY )?${QUALIFIED}\\s+ADD CONSTRAINT (${NAME}) (PRIMARY KEY|UNIQUE|EXCLUDE|FOREIGN KEY)`,
);
/** What is called stands before a bracket, and so do conditions: any bracket within is taken for a call. */
const OF_COLUMNS = / USING \w+ \([^()]*\)(?: INCLUDE \([^()]*\))?(?: NULLS NOT DISTINCT)?(?: WITH \([^()]*\))?$/;
const SETTING = /^SET \w+ = |^SELECT pg_catalog\.set_config\(/;
const OTHER_ROLE = /^SET SESSION AUTHORIZATION /;
const OWN_ROLE = 'RESET SESSION AUTHORIZATION';

/** What no index can depend on: one that comes after may be built before. Anything else is waited for. */
const NOTHING_TO_AN_INDEX =
  /^(COMMENT ON |SECURITY LABEL |ALTER INDEX |(CREATE|ALTER) STATISTICS |CREATE (CONSTRAINT )?TRIGGER |CREATE POLICY |ALTER TABLE (ONLY )?\S.* (ENABLE|DISABLE|FORCE|CLUSTER ON|REPLICA IDENTITY) )/;
const NOTHING_TO_A_REFERENCE =
  /^(COMMENT ON |SECURITY LABEL |CREATE (CONSTRAINT )?TRIGGER |CREATE POLICY |ALTER TABLE (ONLY )?\S.* (ENABLE|DISABLE|FORCE) )/;

/**
 * Orders the statements of a dump's last part so that indexes are built side by side, and after them foreign keys;
 * all else keeps its order.
 */
export function planBuild(statements: readonly string[]): BuildPlan {
  const firstOther = statements.findIndex((sql) => !SETTING.test(sql));
  const settings = firstOther < 0 ? [...statements] : statements.slice(0, firstOther);
  const steps: Steps = { steps: [], passed: new Map() };
  // what is set later is meant for what follows it, which may run in another session and in another order
  const changed = new Map<string, string>();
  for (const plain of togetherByRole(statements.slice(settings.length))) {
    if (SETTING.test(plain)) {
      changed.set(/^SET (\w+)/.exec(plain)?.[1] ?? plain, plain.replace(/^SET /, 'SET LOCAL '));
      continue;
    }
    const sql = changed.size === 0 ? plain : ['BEGIN', ...changed.values(), plain, 'COMMIT'].join(';\n');
    const table = INDEX.exec(plain)?.[1];
    const constraint = CONSTRAINT.exec(plain);
    if (table !== undefined) placeIndex(steps, { sql, table, isExclusive: false, isOfColumns: OF_COLUMNS.test(plain) });
    // nothing that is set changes a foreign key, which has to wait for every key that it may refer to
    else if (constraint?.[3] === 'FOREIGN KEY')
      placeReference(steps, {
        sql: plain,
        table: constraint[1] ?? '',
        constraint: constraint[2] ?? '',
        isExclusive: true,
      });
    else if (constraint)
      placeIndex(steps, {
        sql,
        table: constraint[1] ?? '',
        isExclusive: true,
        isOfColumns: constraint[3] !== 'EXCLUDE',
      });
    else placeInOrder(steps, sql);
  }
  return { settings, steps: steps.steps };
}

/** What is done as another role, as one statement: grants by somebody who was given the right to grant. */
function togetherByRole(statements: readonly string[]): string[] {
  const together: string[] = [];
  let asOther: string[] | undefined;
  for (const sql of statements) {
    if (OTHER_ROLE.test(sql)) asOther = [...(asOther ?? []), sql];
    else if (!asOther) together.push(sql);
    else if (sql !== OWN_ROLE) asOther.push(sql);
    else {
      together.push([...asOther, sql].join(';\n'));
      asOther = undefined;
    }
  }
  if (asOther) together.push(asOther.join(';\n'));
  return together;
}

/** The steps so far, and of those in order whether what comes later may be built before all that they have. */
interface Steps {
  readonly steps: BuildStep[];
  /** Noted with each statement: to look through thousands of them again for each index takes minutes. */
  readonly passed: Map<BuildStep, { byIndexes: boolean; byReferences: boolean }>;
}

function placeIndex({ steps, passed }: Steps, task: Task): void {
  for (const step of backwards(steps)) {
    if (step.kind === 'indexes') {
      step.tasks.push(task);
      return;
    }
    if (step.kind === 'in order' && passed.get(step)?.byIndexes !== true) break;
  }
  steps.push({ kind: 'indexes', tasks: [task] });
}

function placeReference({ steps, passed }: Steps, task: Reference): void {
  for (const step of backwards(steps)) {
    if (step.kind === 'references') {
      step.tasks.push(task);
      return;
    }
    if (passed.get(step)?.byReferences !== true) break;
  }
  steps.push({ kind: 'references', tasks: [task] });
}

function placeInOrder({ steps, passed }: Steps, sql: string): void {
  const last = steps.at(-1);
  const isOpen = last?.kind === 'in order';
  const step: BuildStep = isOpen ? last : { kind: 'in order', statements: [] };
  if (!isOpen) steps.push(step);
  step.statements.push(sql);
  const before = passed.get(step);
  passed.set(step, {
    byIndexes: before?.byIndexes !== false && NOTHING_TO_AN_INDEX.test(sql),
    byReferences: before?.byReferences !== false && NOTHING_TO_A_REFERENCE.test(sql),
  });
}

function* backwards<T>(items: readonly T[]): Generator<T> {
  for (let i = items.length - 1; i >= 0; i -= 1) yield items[i] as T;
}
