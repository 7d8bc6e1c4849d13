import type { DumpStream } from '../engines/engine.ts';
import { compressedByUs } from '../formats.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { compressStages } from '../pipeline/codec.ts';
import { assertAllRead, meterStage, readMeter } from '../pipeline/meter.ts';
import type { StageResult } from '../pipeline/result.ts';
import { log } from '../terminal/log.ts';
import type { Progress } from '../terminal/progress.ts';
import type { DumpOrder } from './order.ts';

const METER = 'meter';
/** At the end of the pipes: what it counted has to arrive here, to the byte. */
const LAST_METER = 'last meter';

/** A stream of a dump under way, as it will be stored. */
export interface RunningStream {
  /** Compressed and encrypted. Ends only when every process exited with 0 and the dump's end is complete. */
  readonly body: AsyncGenerator<Uint8Array>;
  /** Resolves when every process has ended, however. */
  readonly finished: Promise<readonly StageResult[]>;
  /** Bytes before compression; known when the body has ended. */
  rawBytes(): number;
  /** Ends it without its body having been read. */
  discard(): Promise<void>;
}

/** Starts the processes of one stream: the engine's, the meter, compression and encryption. */
export function startStream(
  { source, repository }: Pick<DumpOrder, 'source' | 'repository'>,
  stream: DumpStream,
  progress: Progress,
  signal: AbortSignal,
): RunningStream {
  let rawBytes = 0;
  let doneBytes = 0;
  const reached = (passedBytes: number) => {
    progress.add(passedBytes - doneBytes);
    doneBytes = passedBytes;
  };
  const chain = startChain(
    [
      ...(stream.feed === undefined ? [] : [stream.feed]),
      stream.stage,
      meterStage(METER, { program: stream.meter, onProgress: reached }),
      ...(compressedByUs(source.format, source.compression.method) === 'none'
        ? []
        : compressStages(source.compression)),
      ...repository.sealingStages(),
      meterStage(LAST_METER),
    ],
    { stdout: true, signal, endsTogether: true },
  );
  const body = readChain(chain, {
    signal,
    verify: (results, sizeBytes) => {
      assertAllRead(results, LAST_METER, sizeBytes);
      const dumped = results.find(({ name }) => name === stream.stage.name);
      for (const warning of warningsOf(dumped?.stderr ?? '')) log.warn(`${source.name}: ${warning}`);
      const meter = readMeter(results, METER);
      rawBytes = meter.sizeBytes;
      stream.verifyEnd(meter.tail, results);
    },
  });
  return {
    body,
    finished: chain.finished,
    rawBytes: () => rawBytes,
    discard: async () => {
      chain.kill();
      chain.stdout?.destroy();
      await chain.finished;
    },
  };
}

function warningsOf(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.trim() !== '');
}
