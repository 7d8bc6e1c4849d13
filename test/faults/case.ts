import type { Bed } from './bed.ts';
import type { Databases } from './databases.ts';
import type { Fault, Injection } from './faults.ts';
import { type Allowance, judge } from './oracle.ts';
import type { Random } from './random.ts';
import type { Ended } from './verbs.ts';
import { type Verb, WORDS, World } from './world.ts';

/** One case: a fault, a verb, an engine. */
export interface Case {
  readonly number: number;
  readonly fault: Fault;
  readonly verb: Verb;
  readonly engine: Databases;
}

export interface CaseResult {
  readonly case: Case;
  /** What exactly was done to it. */
  readonly what: string;
  readonly exitCode: number | null;
  readonly durationMs: number;
  /** Empty when it survived. */
  readonly problems: readonly string[];
  /** What the runs said, for a failure. */
  readonly said: string;
}

/** Options that vary from case to case beside the fault. */
function variation(random: Random, world: World): Record<string, string> {
  if (world.verb !== 'backup' || world.state === 'big') return {};
  const { identity } = world.bed;
  const isPostgres = world.engine.engine === 'postgres';
  const format = isPostgres ? random.pick(['sql', 'sql', 'sql', 'custom', 'folder', 'folder']) : 'sql';
  return {
    BACKUP_FORMAT: format,
    BACKUP_JOBS: String(random.int(1, 3)),
    // old servers' own format has no zstd
    BACKUP_COMPRESSION: format === 'custom' ? 'gzip' : random.pick(['gzip', 'gzip', 'zstd', 'none']),
    ...(random.chance(0.3) && identity ? { BACKUP_AGE_RECIPIENTS: identity.recipient } : {}),
  };
}

/** Sets the scene, lets the fault happen to the verb, judges, runs the verb again without it, and judges that. */
export async function runCase(bed: Bed, each: Case, random: Random): Promise<CaseResult> {
  const isBig = each.fault.isBig === true;
  const format = random.chance(0.3) ? 'folder' : 'sql';
  const world = new World(bed, each.engine, each.verb, String(each.number), { isBig, format });
  let injection: Injection | undefined;
  const said: string[] = [];
  try {
    await world.prepare();
    const varied = variation(random, world);
    injection = await each.fault.inject(world, random, bed.typicalMs(each.engine, each.verb));
    const env = { ...world.env(injection), ...varied, ...injection.env };
    const run = world.start(WORDS[world.verb], env, injection.limits);
    await injection.during?.(run);
    const ended = await run.ended;
    await injection.after?.();
    said.push(...describe('the run', ended));
    const allowance = injection.allowance?.() ?? {};
    const problems = await judge(world, ended, allowance);
    // what a listing that lied made a cleanup delete stays deleted
    const next = await runAgain(world, varied, {
      phantom: allowance.phantom ?? false,
      hasTwin: allowance.hasTwin ?? false,
    });
    said.push(...describe('the next run', next.ended));
    problems.push(...next.problems.map((problem) => `next run: ${problem}`));
    problems.push(...(await world.leftovers()).map((left) => `left over: ${left}`));
    return {
      case: each,
      what: injection.what,
      exitCode: ended.code,
      durationMs: ended.durationMs,
      problems,
      said: said.join('\n'),
    };
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const what = injection?.what ?? 'before the fault';
    return {
      case: each,
      what,
      exitCode: null,
      durationMs: 0,
      problems: [`the suite itself: ${message}`],
      said: said.join('\n'),
    };
  } finally {
    await world.remove().catch(() => {});
  }
}

/** The same verb as if nothing had been; an undo that came through is answered by a restore. */
async function runAgain(
  world: World,
  varied: Record<string, string>,
  allow: Allowance,
): Promise<{ ended: Ended; problems: string[] }> {
  const isDone =
    world.verb === 'undo' && (await world.engine.digest(world.name)) === world.bed.digestOf(world.engine, 'old');
  const words = isDone ? WORDS.restore : WORDS[world.verb];
  const ended = await world.start(words, { ...world.env({ patient: true }), ...varied }).ended;
  if (ended.code !== 0) return { ended, problems: [`exit ${ended.code}`] };
  return { ended, problems: isDone ? [] : await judge(world, ended, { ...allow, isSecond: true }) };
}

function describe(which: string, { code, signal, stderr, durationMs }: Ended): string[] {
  const lines = stderr.trimEnd().split('\n');
  return [
    `  ${which}: exit ${code ?? signal} after ${Math.round(durationMs)} ms`,
    ...lines.slice(-14).map((line) => `    ${line}`),
  ];
}
