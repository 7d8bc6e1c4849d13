import type { DumpStream } from '../engines/dumping.ts';
import { OperatorError } from '../errors.ts';
import { compressedByUs } from '../formats.ts';
import { readChain, type Stage, startChain } from '../pipeline/chain.ts';
import { compressStages } from '../pipeline/codec.ts';
import { readFrames, type StoredMember } from '../pipeline/members.ts';
import { assertAllRead, type MeterProgram, meterStage, readMeter } from '../pipeline/meter.ts';
import type { StageResult } from '../pipeline/result.ts';
import type { StoredObjectFacts } from '../repository/manifest.ts';
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
  /** What the manifest says of the object's members, where it has any; known when the body has ended. */
  members(): Pick<StoredObjectFacts, 'members' | 'settings'>;
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
  const compressing =
    compressedByUs(source.format, source.compression.method) === 'none' ? [] : compressStages(source.compression);
  const sealing = repository.sealingStages();
  // what is encrypted can be read as a whole alone
  const inMembers = sealing.length === 0 ? membersProgram(stream, compressing) : undefined;
  const metered = meterStage(METER, { program: inMembers ?? stream.meter, onProgress: reached });
  const chain = startChain(
    [
      ...(stream.feed === undefined ? [] : [stream.feed]),
      stream.stage,
      metered,
      ...(inMembers ? [] : [...compressing, ...sealing, meterStage(LAST_METER)]),
    ],
    { stdout: true, signal, endsTogether: true },
  );
  const stored: StoredMember[] = [];
  const read = readChain(chain, {
    signal,
    verify: (results, sizeBytes) => {
      // frames say themselves how many bytes they have
      if (!inMembers) assertAllRead(results, LAST_METER, sizeBytes);
      const dumped = results.find(({ name }) => name === stream.stage.name);
      for (const warning of warningsOf(dumped?.stderr ?? '')) log.warn(`${source.name}: ${warning}`);
      const meter = readMeter(results, METER);
      rawBytes = meter.sizeBytes;
      stream.verifyEnd(meter.tail, results);
    },
  });
  return {
    body: inMembers ? readFrames(read, (member) => stored.push(member)) : read,
    finished: chain.finished,
    rawBytes: () => rawBytes,
    members: () => (inMembers ? membersOf(stream, stored) : {}),
    discard: async () => {
      chain.kill();
      chain.stdout?.destroy();
      await chain.finished;
    },
  };
}

/** The stream's own meter, which then compresses each member by itself. */
function membersProgram({ meter, members }: DumpStream, compressing: readonly Stage[]): MeterProgram | undefined {
  if (!meter || !members) return undefined;
  const command = compressing.flatMap((stage) => [stage.command, ...stage.args]);
  return { ...meter, args: [...(meter.args ?? []), ...members.args, ...command] };
}

/** What was seen of each member, and what was stored of it. */
function membersOf(stream: DumpStream, stored: readonly StoredMember[]): ReturnType<RunningStream['members']> {
  const seen = stream.members?.seen();
  if (seen === undefined) return {};
  if (seen.members.length !== stored.length)
    throw new OperatorError(
      'DUMP_INCOMPLETE',
      `${seen.members.length} parts of the dump were written, and ${stored.length} stored`,
      { hint: 'Nothing of it is used. This should not happen: please report it.' },
    );
  let offset = 0;
  const members = stored.map((one, i) => {
    const member = { offset, ...one, ...(seen.members[i] as (typeof seen.members)[number]) };
    offset += one.sizeBytes;
    return member;
  });
  return { settings: seen.settings, members };
}

function warningsOf(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.trim() !== '');
}
