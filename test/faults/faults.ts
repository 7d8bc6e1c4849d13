import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LinkFault, startLinkProxy } from '../support/link-proxy.ts';
import type { Operation } from '../support/s3-double-requests.ts';
import { type StoreFaultKind, startStoreProxy } from '../support/store-proxy.ts';
import type { StoreName } from './bed.ts';
import type { Allowance } from './oracle.ts';
import type { Random } from './random.ts';
import { directoryPlace } from './stores.ts';
import { type Environment, kill, type UnderWay } from './verbs.ts';
import { VERBS, type Verb, WORDS, type World } from './world.ts';

/** What a fault does to a run: around it, and while it is under way. */
export interface Injection {
  readonly port?: number;
  readonly endpoint?: string;
  readonly env?: Environment;
  /** Options of prlimit. */
  readonly limits?: readonly string[];
  /** Told in a failure. */
  readonly what: string;
  during?(run: UnderWay): Promise<void>;
  /** After the run, before it is judged. */
  after?(): Promise<void>;
  allowance?(): Allowance;
}

export interface Fault {
  readonly name: string;
  readonly verbs: readonly Verb[];
  readonly stores?: readonly StoreName[];
  readonly engines?: readonly ('postgres' | 'mariadb')[];
  /** Wants a dump of several parts. */
  readonly isBig?: true;
  readonly needsRoot?: true;
  /** How often, among all. */
  readonly weight?: number;
  inject(world: World, random: Random, typicalMs: number): Promise<Injection>;
}

const S3: readonly StoreName[] = ['s3', 'garage'];
const USING_STORAGE: readonly Verb[] = ['backup', 'restore', 'cleanup', 'drill'];

const PUTS: readonly Operation[] = ['PutObject'];
const PARTS: readonly Operation[] = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'];
const GETS: readonly Operation[] = ['GetObject'];
const LISTS: readonly Operation[] = ['ListObjectsV2'];
const DELETES: readonly Operation[] = ['DeleteObjects', 'DeleteObject'];
const ALL: readonly Operation[] = [
  ...PUTS,
  ...PARTS,
  ...GETS,
  ...LISTS,
  ...DELETES,
  'HeadObject',
  'AbortMultipartUpload',
  'ListMultipartUploads',
];

interface StoreFaultOptions {
  readonly operations?: readonly Operation[];
  readonly isBig?: true;
  /** How many times in a row; without, a few or forever. */
  readonly times?: number;
  readonly phantom?: true;
}

function storeFault(kind: StoreFaultKind, verbs: readonly Verb[], options: StoreFaultOptions = {}): Fault {
  const { operations = ALL, isBig, phantom } = options;
  return {
    name: `store: ${kind}${isBig ? ', in parts' : ''}`,
    verbs,
    stores: S3,
    ...(isBig ? { isBig } : {}),
    inject: async (world, random) => {
      const times = options.times ?? random.pick([1, 2, undefined]);
      const from = random.int(1, isBig ? 5 : 6);
      const fault = { kind, operations, from, at: random.next(), ...(times === undefined ? {} : { times }) };
      const proxy = await startStoreProxy(world.bed.endpoint ?? '', fault);
      return {
        endpoint: proxy.endpoint,
        what: `${kind} from request ${from} on, ${times ?? 'always'}`,
        after: () => proxy.close(),
        allowance: () => ({ phantom: phantom === true }),
      };
    },
  };
}

const STORE_FAULTS: readonly Fault[] = [
  storeFault('reset', USING_STORAGE),
  storeFault('reset', ['backup'], { isBig: true, operations: PARTS }),
  storeFault('refused', USING_STORAGE),
  storeFault('hang', USING_STORAGE),
  storeFault('hang', ['backup'], { isBig: true, operations: PARTS, times: 1 }),
  storeFault('drip', USING_STORAGE, { times: 1 }),
  storeFault('500', USING_STORAGE),
  storeFault('503', USING_STORAGE),
  storeFault('503', ['backup'], { isBig: true, operations: PARTS }),
  storeFault('403', USING_STORAGE),
  storeFault('403', ['backup'], { isBig: true, operations: PARTS }),
  storeFault('404 on complete', ['backup'], { isBig: true, operations: ['CompleteMultipartUpload'] }),
  storeFault('wrong ETag', ['backup'], { isBig: true, operations: ['UploadPart'] }),
  storeFault('lost part', ['backup'], { isBig: true, operations: ['UploadPart'], times: 1 }),
  storeFault('lost part', ['backup', 'restore', 'drill'], { operations: PUTS, times: 1 }),
  storeFault('lost answer', ['backup', 'restore', 'cleanup', 'drill'], { operations: [...PUTS, ...DELETES] }),
  storeFault('lost answer', ['backup'], { isBig: true, operations: PARTS }),
  storeFault('hanging answer', ['backup'], { isBig: true, operations: ['CompleteMultipartUpload'] }),
  storeFault('hanging answer', ['backup', 'restore', 'cleanup'], { operations: [...PUTS, ...DELETES], times: 1 }),
  storeFault('truncated', ['restore', 'drill'], { operations: GETS }),
  storeFault('short', ['restore', 'drill'], { operations: GETS }),
  storeFault('flipped', ['restore', 'drill'], { operations: GETS }),
  storeFault('clock skew', USING_STORAGE),
  storeFault('old listing', ['restore', 'cleanup', 'drill', 'list'], { operations: LISTS }),
  storeFault('phantom in listing', ['restore', 'cleanup', 'drill'], { operations: LISTS, phantom: true }),
  storeFault('duplicate page', ['restore', 'cleanup', 'drill', 'list'], { operations: LISTS, times: 1 }),
  {
    name: 'store: DNS failure',
    verbs: [...USING_STORAGE, 'list'],
    stores: S3,
    inject: async () => ({ endpoint: 'http://no-such-store.invalid:3900', what: 'an unknown host' }),
  },
];

/** Damage on the disk of a directory. */
const DIRECTORY_FAULTS: readonly Fault[] = [
  {
    name: 'disk: full',
    verbs: ['backup', 'restore', 'drill'],
    stores: ['directory'],
    needsRoot: true,
    inject: async (world, random) => {
      const sizeKb = random.int(520, 1400);
      return onOwnDisk(world, sizeKb, `a disk of ${sizeKb} KB`, async () => {});
    },
  },
  {
    name: 'disk: read-only',
    verbs: USING_STORAGE,
    stores: ['directory'],
    needsRoot: true,
    inject: (world) =>
      onOwnDisk(world, 50_000, 'a disk that cannot be written to', async (folder) => {
        execFileSync('mount', ['-o', 'remount,ro', folder]);
      }),
  },
  {
    name: 'disk: file truncated',
    verbs: ['restore', 'drill'],
    stores: ['directory'],
    inject: (world, random) => damaged(world, random, (bytes, at) => bytes.subarray(0, at)),
  },
  {
    name: 'disk: bit flipped',
    verbs: ['restore', 'drill'],
    stores: ['directory'],
    inject: (world, random) =>
      damaged(world, random, (bytes, at) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << random.int(0, 7));
        return changed;
      }),
  },
];

/** The backups lie on a small disk of their own. */
async function onOwnDisk(
  world: World,
  sizeKb: number,
  what: string,
  change: (folder: string) => Promise<void>,
): Promise<Injection> {
  const folder = world.place.env().BACKUP_DIR ?? '';
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKb}k,mode=755`, 'tmpfs', folder]);
  await world.place.write(world.seeded);
  await change(folder);
  return {
    what,
    // the oracle and the next run find what was on it, and room
    after: async () => {
      const rescued = new Map<string, Buffer>();
      for (const key of await world.place.keys()) rescued.set(key, await world.place.read(key));
      execFileSync('umount', [folder]);
      for (const key of await world.place.keys()) execFileSync('rm', ['-f', join(folder, key)]);
      await directoryPlace(folder).write(rescued);
    },
  };
}

async function damaged(
  world: World,
  random: Random,
  change: (bytes: Buffer, at: number) => Buffer,
): Promise<Injection> {
  const [key, bytes] = random.pick([...world.seeded].filter(([name]) => !name.endsWith('.json')));
  const at = random.int(0, bytes.length - 1);
  await world.place.write(new Map([[key, change(bytes, at)]]));
  return { what: `${key} at byte ${at}`, after: () => world.place.write(new Map([[key, bytes]])) };
}

const SIGNALS = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGSTOP'] as const;

/** One process of the tree, at some moment. */
function processFault(signal: (typeof SIGNALS)[number], whom: 'the verb' | 'a child' | 'everything'): Fault {
  return {
    name: `${signal} to ${whom}`,
    verbs: ['backup', 'restore', 'undo', 'cleanup', 'drill'],
    weight: whom === 'everything' ? 1 : 3,
    inject: async (world, random, typicalMs) => {
      const delayMs = Math.round(random.next() * typicalMs * 1.1);
      const choice = random.next();
      const goesOn = whom === 'the verb' || random.chance(0.6);
      const pauseMs = random.int(200, 1_500);
      let hit = 'nobody any more';
      return {
        get what() {
          return `${signal} after ${delayMs} ms to ${hit}${signal === 'SIGSTOP' ? (goesOn ? `, for ${pauseMs} ms` : ', for good') : ''}`;
        },
        during: async (run) => {
          await Promise.race([sleep(delayMs), run.ended]);
          const tree = run.tree();
          const verb = tree.filter(({ pid }) => pid === run.pid);
          const children = tree.filter(({ pid }) => pid !== run.pid);
          const targets =
            whom === 'the verb'
              ? verb
              : whom === 'everything'
                ? tree
                : [children[Math.floor(choice * children.length)]];
          const sent = targets.flatMap((target) => (target && kill(target.pid, signal) ? [target] : []));
          if (sent.length > 0) hit = sent.map(({ name }) => name).join(', ');
          if (signal !== 'SIGSTOP' || !goesOn) {
            // nobody but its own limits gets a run going again, and of what it has left nothing may stay
            if (signal !== 'SIGSTOP') return;
            void run.ended.then(() => {
              for (const { pid } of sent) kill(pid, 'SIGCONT');
            });
            return;
          }
          await sleep(pauseMs);
          for (const { pid } of sent) kill(pid, 'SIGCONT');
        },
        allowance: () => {
          const killed = signal === 'SIGKILL' && whom !== 'a child';
          return {
            killed,
            // before it has begun to listen, a signal ends a program as it always does
            mayDieOf: whom !== 'a child' && signal !== 'SIGKILL' ? signal : null,
            mayBeBetween: killed && world.engine.engine === 'mariadb',
          };
        },
      };
    },
  };
}

const PROCESS_FAULTS: readonly Fault[] = [
  processFault('SIGKILL', 'the verb'),
  processFault('SIGKILL', 'a child'),
  processFault('SIGKILL', 'everything'),
  processFault('SIGTERM', 'the verb'),
  processFault('SIGTERM', 'a child'),
  processFault('SIGINT', 'everything'),
  processFault('SIGSTOP', 'the verb'),
  processFault('SIGSTOP', 'a child'),
];

function limitFault(name: string, option: (random: Random) => string): Fault {
  return {
    name,
    verbs: ['backup', 'restore', 'undo', 'cleanup', 'drill'],
    needsRoot: true,
    inject: async (_, random) => {
      const limit = option(random);
      // a limit may end node itself, by a signal, at any time
      return { limits: [limit], what: limit, allowance: () => ({ killed: true }) };
    },
  };
}

const LIMIT_FAULTS: readonly Fault[] = [
  limitFault('descriptors gone', (random) => `--nofile=${random.int(22, 48)}`),
  limitFault('memory gone', (random) => `--data=${random.int(60, 260) * 1024 * 1024}`),
  limitFault('files limited', (random) => `--fsize=${random.int(1, 1200) * 1024}`),
];

function linkFault(kind: LinkFault['kind']): Fault {
  return {
    name: `database: ${kind}`,
    verbs: ['backup', 'restore', 'undo'],
    weight: 2,
    inject: async (world, random) => {
      const fault: LinkFault = {
        kind,
        connection: random.int(1, 6),
        afterBytes: random.chance(0.5) ? random.int(0, 3_000) : random.int(3_000, 800_000),
      };
      const proxy = await startLinkProxy(world.engine, fault);
      return {
        port: proxy.port,
        what: `${kind} of connection ${fault.connection} after ${fault.afterBytes} bytes`,
        after: () => proxy.close(),
        allowance: () => ({ mayBeBetween: world.engine.engine === 'mariadb' && proxy.happened() }),
      };
    },
  };
}

const LINK_FAULTS: readonly Fault[] = [linkFault('reset'), linkFault('hang'), linkFault('refuse')];

/** The same or another verb, on the same source, at the same time or a little later. */
const TWIN: Fault = {
  name: 'two at once',
  verbs: ['backup', 'restore', 'undo', 'cleanup', 'drill'],
  weight: 2,
  inject: async (world, random, typicalMs) => {
    const other = random.pick(['backup', 'restore', 'undo', 'cleanup', 'drill'] as const);
    const delayMs = random.chance(0.4) ? 0 : Math.round(random.next() * typicalMs);
    let code: number | null = null;
    return {
      get what() {
        return `a ${other} at the same time, ${delayMs} ms later, which ended with ${code}`;
      },
      during: async () => {
        await sleep(delayMs);
        ({ code } = await world.start(WORDS[other], world.env({ patient: true })).ended);
      },
      allowance: () => ({ hasTwin: true }),
    };
  },
};

/** Nothing happens: the oracle has to be content with that too. */
export const NOTHING: Fault = {
  name: 'nothing',
  verbs: VERBS,
  inject: async () => ({ what: 'nothing' }),
};

export const FAULTS: readonly Fault[] = [
  NOTHING,
  ...STORE_FAULTS,
  ...DIRECTORY_FAULTS,
  ...PROCESS_FAULTS,
  ...LIMIT_FAULTS,
  ...LINK_FAULTS,
  TWIN,
];
