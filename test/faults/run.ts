import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { makeBed, type StoreName } from './bed.ts';
import { type CaseResult, runCase } from './case.ts';
import { planCases, randomOf } from './plan.ts';
import { tableOf } from './table.ts';

/** Cases at a time: most of them wait for something most of the time. */
const AT_A_TIME = 2 * availableParallelism();

const PROGRESS_EVERY = 50;

const HELP = `
make test-faults [N=200] [SEED=1] [STORAGE=directory|s3|garage] [CASE=number] [MINUTES=60]

Lets faults happen to the verbs, and judges each run, the state that it leaves, and the next run. The same seed and
storage give the same cases; CASE repeats one of them and shows what was said. No case begins after MINUTES.
`;

interface Options {
  readonly count: number;
  readonly seed: number;
  readonly storage: StoreName;
  readonly only: number | undefined;
  readonly minutes: number;
}

function readOptions(env: NodeJS.ProcessEnv): Options {
  const number = (name: string, other: number) => {
    const text = env[name];
    if (text === undefined || text === '') return other;
    if (!/^\d+$/.test(text)) throw new Error(`${name}=${text} is no whole number\n${HELP}`);
    return Number(text);
  };
  const storage = env.STORAGE || 'directory';
  if (storage !== 'directory' && storage !== 's3' && storage !== 'garage')
    throw new Error(`STORAGE=${storage}\n${HELP}`);
  return {
    count: number('N', 200),
    seed: number('SEED', 1),
    storage,
    only: env.CASE ? number('CASE', 0) : undefined,
    minutes: number('MINUTES', 60),
  };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function repeatLine({ seed, storage }: Options, number: number): string {
  return `make test-faults SEED=${seed} STORAGE=${storage} CASE=${number}`;
}

async function main(): Promise<number> {
  const options = readOptions(process.env);
  const startedAt = Date.now();
  const bed = await makeBed(options.storage);
  const results: CaseResult[] = [];
  try {
    const caseOf = planCases(bed, options.seed);
    say(`seed ${options.seed}, storage ${options.storage}, ${bed.engines.map(({ engine }) => engine).join(' and ')}`);
    let next = options.only ?? 1;
    const last = options.only ?? options.count;
    const deadline = startedAt + options.minutes * 60_000;
    const worker = async () => {
      while (next <= last && Date.now() < deadline) {
        const number = next;
        next += 1;
        const each = caseOf(number);
        const result = await runCase(bed, each, randomOf(options.seed, number));
        results.push(result);
        if (results.length % PROGRESS_EVERY === 0) say(`${results.length} of ${last} …`);
        if (result.problems.length > 0 || options.only !== undefined) tell(options, result);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  } finally {
    await bed.stop();
  }
  const table = tableOf(results, Date.now() - startedAt);
  say(`\n${table}`);
  if (process.env.REPORT) writeFileSync(process.env.REPORT, `${table}\n`);
  const failed = results.filter(({ problems }) => problems.length > 0);
  for (const { case: each } of failed) say(`repeat: ${repeatLine(options, each.number)}`);
  return failed.length === 0 ? 0 : 1;
}

function tell(options: Options, { case: each, what, problems, said }: CaseResult): void {
  const head = problems.length > 0 ? 'FAILED' : 'survived';
  say(`\n${head}: ${each.fault.name} × ${each.verb} (${each.engine.engine}), ${what}`);
  for (const problem of problems) say(`  ${problem}`);
  say(said);
  say(`  repeat: ${repeatLine(options, each.number)}`);
}

process.exitCode = await main();
