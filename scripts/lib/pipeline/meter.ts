import { fileURLToPath } from 'node:url';
import { OperatorError } from '../errors.ts';
import type { Stage } from './chain.ts';
import type { StageResult } from './result.ts';

/** A meter that an engine brings, which knows more of its dumps. */
export interface MeterProgram {
  /** What runs it; perl when nothing is said. */
  readonly command?: string;
  readonly path: string;
  readonly args?: readonly string[];
  /** Is shown what it writes to standard error, line by line; those that it returns true for are taken. */
  onLine?(line: string): boolean;
}

/**
 * A filter that hands its input on unchanged and reports, on standard error, how many bytes passed and the last of
 * them: what proves that a dump is complete without the raw stream ever entering this process. Perl is part of every
 * Debian and costs 0.1 s for 400 MB; see docs/adr/0002-os-pipes.md.
 *
 * @param options.program in place of our own
 * @param options.onProgress is told about once a second how many bytes have passed
 */
export function meterStage(
  name: string,
  options: {
    onProgress?: (sizeBytes: number) => void;
    program?: MeterProgram | undefined;
  } = {},
): Stage {
  const { onProgress, program } = options;
  return {
    name,
    command: program?.command ?? 'perl',
    args: [program?.path ?? fileURLToPath(new URL('./meter.pl', import.meta.url)), ...(program?.args ?? [])],
    onLine: (line) => {
      const passed = /^PASSED (\d+)$/.exec(line)?.[1];
      if (passed !== undefined) onProgress?.(Number(passed));
      return passed !== undefined || program?.onLine?.(line) === true;
    },
  };
}

/**
 * @param sizeBytes what has arrived of what passed through the meter of that name
 * @throws OperatorError DUMP_INCOMPLETE when bytes were lost on the way
 */
export function assertAllRead(results: readonly StageResult[], name: string, sizeBytes: number): void {
  const meter = readMeter(results, name);
  if (meter.sizeBytes === sizeBytes) return;
  throw new OperatorError(
    'DUMP_INCOMPLETE',
    `of ${meter.sizeBytes} bytes that were written only ${sizeBytes} were read`,
    {
      hint: 'Nothing of it is used. This should not happen: please report it.',
    },
  );
}

/** What a meter saw: bytes, and the last kilobyte of them as text. */
export interface MeterReading {
  readonly sizeBytes: number;
  readonly tail: string;
}

/** @throws OperatorError when the meter of that name did not report, which means that it did not see the end */
export function readMeter(results: readonly StageResult[], name: string): MeterReading {
  const report = results.find((result) => result.name === name)?.stderr ?? '';
  const match = /METER (\d+) ?([0-9a-f]*)$/.exec(report);
  if (!match) throw new OperatorError('PROCESS_FAILED', `${name} did not report what passed through it`);
  return { sizeBytes: Number(match[1]), tail: Buffer.from(match[2] ?? '', 'hex').toString('utf8') };
}
