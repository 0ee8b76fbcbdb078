/** A run directory is one whole: what does not belong together is refused, and nothing is followed out of it. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, SutureError } from '../../../ir/index.ts';
import { type Choice, exportNetwork } from '../../../src/api/export.ts';
import { inspectRun } from '../../../src/api/inspect-run.ts';
import { resumeStitch } from '../../../src/api/stitch.ts';
import { sweep } from '../../../src/api/sweep.ts';
import { weigh } from '../../../src/api/weigh.ts';
import { loadRun } from '../../../src/run/load.ts';
import { filesOf } from '../cli/files.ts';
import { scratch } from '../cli/support.ts';
import { finished, forgeJson, forgeNpz, interrupted, requestIn, scored, withSeed } from './prepared.ts';

let folder: string;
let data: string;
/** The same training to its end and to its middle, and another one. */
const runs = { finished: '', interrupted: '', other: '', otherInterrupted: '' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
  const request = await requestIn(folder);
  data = request.data;
  runs.finished = await finished(withSeed(request, 1, join(folder, 'finished')));
  runs.interrupted = await interrupted(withSeed(request, 1, join(folder, 'interrupted')));
  runs.other = await finished(withSeed(request, 2, join(folder, 'other')));
  runs.otherInterrupted = await interrupted(withSeed(request, 2, join(folder, 'other-interrupted')));
  await scored(runs.finished, data);
  await scored(runs.other, data);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A run of one's own to damage. */
async function copyOf(kind: keyof typeof runs): Promise<string> {
  const run = join(await scratch(), 'run');
  await cp(runs[kind], run, { recursive: true });
  return run;
}

async function exported(run: string, choice: Choice): Promise<string> {
  const file = `${run}.onnx`;
  await exportNetwork(run, file, choice, { force: true });
  return (await readFile(file)).toString('base64');
}

const mkfifo = (path: string) => promisify(execFile)('mkfifo', [path]);

describe('files that do not belong together', () => {
  it('pairs of which one is missing', async () => {
    const run = await copyOf('finished');
    const { pairs } = JSON.parse(await readFile(join(run, 'pairs.json'), 'utf8')) as { pairs: object[] };
    await writeFile(join(run, 'pairs.json'), JSON.stringify({ pairs: pairs.slice(1) }));
    await expect(exported(run, { position: 0 })).rejects.toThrow(/pairs\.json is not what the run was trained with/);
  });

  it.each([
    ['parameters.npz', { position: 0 }, /parameters\.npz belongs to another run; put this run's own file back/],
    ['sweep.json', { rule: 1 }, /sweep\.json belongs to other stitches; score the positions again/],
    ['front.json', { chosen: 'best' }, /front\.json belongs to other stitches; score the settings again/],
    ['weights.npz', { learned: true }, /weights\.npz belongs to other stitches; learn them again/],
  ] as const)('%s of another run', async (file, choice, message) => {
    const run = await copyOf('finished');
    await cp(join(runs.other, file), join(run, file));
    await expect(exported(run, choice)).rejects.toThrow(message);
    if (!('position' in choice)) await exported(run, { position: 0 });
  });

  it.each([
    ['sweep.json', { rule: 1 }],
    ['front.json', { chosen: 'best' }],
    ['config.json', { position: 0 }],
  ] as const)('%s that a hand went into', async (file, choice) => {
    const run = await copyOf('finished');
    const document = JSON.parse(await readFile(join(run, file), 'utf8'));
    await writeFile(join(run, file), JSON.stringify({ ...document, positions: [], more: 1 }));
    await expect(exported(run, choice)).rejects.toThrow(`${file} was changed after it was written`);
  });

  it('a checkpoint of another run', async () => {
    const run = await copyOf('interrupted');
    await cp(join(runs.otherInterrupted, 'checkpoint.npz'), join(run, 'checkpoint.npz'));
    await expect(resumeStitch(run)).rejects.toThrow(/checkpoint\.npz belongs to another run; .*remove it to begin/);
  });

  it('weights that were learned after the sweep over settings', async () => {
    const run = await copyOf('finished');
    await forgeJson(join(run, 'front.json'), front => {
      const points = front.points as { weight: unknown }[];
      const learned = points.findIndex(p => p.weight === 'learned');
      return { ...front, chosen: { loss: 0, best: learned, even: learned } };
    });
    await exported(run, { chosen: 'best' });
    await weigh(run, data, { learn: ['switches'], steps: 2, batch: 3, executor: 'ort' });
    await expect(exported(run, { chosen: 'best' })).rejects.toThrow(/learned after its sweep over settings/);
  });

  it('a run of an earlier suture', async () => {
    const run = await copyOf('finished');
    await forgeJson(join(run, 'config.json'), config => ({ ...config, version: 1 }));
    await expect(loadRun(run)).rejects.toThrow(/a run of version 1, this suture reads 2: .*; train it again/);
  });
});

describe('numbers that no training gives', () => {
  it('NaN among the parameters, even sealed', async () => {
    const run = await copyOf('finished');
    const nan: Parameters<typeof forgeNpz>[1] = ({ tensors }) => {
      const [name, { shape }] = [...tensors][0];
      const count = shape.reduce((x, y) => x * y, 1);
      tensors.set(name, float32(shape, new Float32Array(count).fill(Number.NaN)));
    };
    await forgeNpz(join(run, 'parameters.npz'), nan);
    await expect(exported(run, { position: 0 })).rejects.toThrow(/parameters\.npz holds numbers that are not finite/);
  });

  const damage: Readonly<Record<string, Parameters<typeof forgeNpz>[1]>> = {
    'without moments': ({ tensors }) => {
      for (const name of [...tensors.keys()]) if (name.startsWith('adamw/m/')) tensors.delete(name);
    },
    'with a parameter of another shape': ({ tensors }) => {
      const name = [...tensors.keys()].find(n => n.startsWith('stitch/'))!;
      tensors.set(name, float32([1], [0]));
    },
    'with a tensor too many': ({ tensors }) => void tensors.set('more', float32([1], [0])),
    'of a step far beyond the end': ({ state }) => void Object.assign(state, { step: 1e9 }),
    'of another step than the batches': ({ state }) => void Object.assign(state, { step: 2 }),
    'of a generator that has no state': ({ state }) =>
      void Object.assign(state, { sampler: { ...(state.sampler as object), random: [0, 0, 0, 0] } }),
    'of another number of images': ({ state }) =>
      void Object.assign(state, { sampler: { ...(state.sampler as object), count: 7 } }),
    'without what draws the settings': ({ state }) => void Reflect.deleteProperty(state, 'settings'),
  };
  it.each(Object.entries(damage))('a checkpoint %s', async (_, change) => {
    const run = await copyOf('interrupted');
    await forgeNpz(join(run, 'checkpoint.npz'), change);
    await expect(resumeStitch(run)).rejects.toThrow(
      /checkpoint\.npz (does not fit the network|holds no state of this training)/,
    );
  });
});

describe('what leads out of a run', () => {
  it('metrics that are a link are not written through', async () => {
    const run = await copyOf('interrupted');
    const target = join(run, '..', 'target');
    await rename(join(run, 'metrics.jsonl'), target);
    await symlink(target, join(run, 'metrics.jsonl'));
    const before = await readFile(target);
    await expect(resumeStitch(run)).rejects.toThrow(/metrics\.jsonl lies behind a symbolic link/);
    // From the start the metrics are not read: a file takes the link's place.
    await rm(join(run, 'checkpoint.npz'));
    await resumeStitch(run);
    expect(await readFile(target)).toEqual(before);
  });

  it('a parent outside, named by the configuration', async () => {
    const run = await copyOf('finished');
    await cp(join(run, 'parents', 'a.onnx'), join(run, '..', 'outside.onnx'));
    for (const file of ['../outside.onnx', 'parents/../../outside.onnx', join(run, '..', 'outside.onnx')]) {
      await forgeJson(join(run, 'config.json'), config => {
        const parents = config.parents as { a: object };
        return { ...config, parents: { ...parents, a: { ...parents.a, file } } };
      });
      await expect(loadRun(run)).rejects.toThrow(/parents\.a\.file: a file in the folder `parents` is expected/);
    }
  });

  it('external data outside, named by the configuration', async () => {
    const run = await copyOf('finished');
    await cp(join(run, 'parents', 'a.onnx'), join(run, '..', 'outside.onnx'));
    await forgeJson(join(run, 'config.json'), config => {
      const parents = config.parents as { a: { sha256: string } };
      const external = [{ file: '../../outside.onnx', sha256: parents.a.sha256 }];
      return { ...config, parents: { ...parents, a: { ...parents.a, external } } };
    });
    await expect(loadRun(run)).rejects.toThrow(/outside\.onnx lies behind a symbolic link|outside\.onnx .*folder/);
  });

  it.each(['config.json', 'pairs.json', 'parameters.npz', 'parents/a.onnx', 'parents'])('%s as a link', async name => {
    const run = await copyOf('finished');
    await rename(join(run, name), join(run, '..', 'moved'));
    await symlink(join('..', ...(name.includes('/') ? ['..'] : []), 'moved'), join(run, name));
    await expect(exported(run, { position: 0 })).rejects.toThrow(/lies behind a symbolic link/);
  });

  it.each(['.suture-ready', '.suture-next'])('%s as a link', async name => {
    const run = await copyOf('finished');
    await cp(runs.other, join(run, '..', 'elsewhere'), { recursive: true });
    await symlink(join(run, '..', 'elsewhere'), join(run, name));
    const work = name === '.suture-next' ? resumeStitch(run) : exported(run, { position: 0 });
    await expect(work).rejects.toThrow(/is a link, and no part of a run: remove it/);
    expect(await filesOf(join(run, '..', 'elsewhere'))).toEqual(await filesOf(runs.other));
  });

  it('but the run directory itself may be a link', async () => {
    const run = await copyOf('finished');
    const link = join(run, '..', 'link');
    await symlink(run, link);
    expect(await exported(link, { rule: 1 })).toBe(await exported(run, { rule: 1 }));
    await sweep(link, data, { executor: 'ort' });
  });

  it.each(['config.json', 'pairs.json', 'parameters.npz', 'parents/b.onnx', 'weights.npz'])(
    '%s as a pipe',
    async name => {
      const run = await copyOf('finished');
      await rm(join(run, name));
      await mkfifo(join(run, name));
      await expect(exported(run, { learned: true })).rejects.toThrow(/is a device or a pipe/);
    },
  );

  it.each(['checkpoint.npz', 'metrics.jsonl', '.suture-lock'])('%s as a pipe', async name => {
    const run = await copyOf('interrupted');
    await rm(join(run, name), { force: true });
    await mkfifo(join(run, name));
    await expect(resumeStitch(run)).rejects.toThrow(/is a device or a pipe|in the way/);
  });
});

type Path = readonly (string | number)[];

/** The places of all values of a document. */
function placesOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, child]) => placesOf(child, [...at, key]))];
}

/** The document with another value at a place, or none. */
function changedAt(document: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const copy = structuredClone(document) as Record<string | number, unknown>;
  if (rest.length === 0 && value === undefined) {
    if (Array.isArray(copy)) copy.splice(Number(key), 1);
    else Reflect.deleteProperty(copy, key);
  } else copy[key] = changedAt(copy[key], rest, value);
  return copy;
}

const names = {
  finished: [
    ...['config.json', 'pairs.json', 'parents/a.onnx', 'parents/b.onnx', 'metrics.jsonl'],
    ...['parameters.npz', 'sweep.json', 'front.json', 'weights.npz'],
  ],
  interrupted: ['config.json', 'pairs.json', 'parents/a.onnx', 'parents/b.onnx', 'metrics.jsonl', 'checkpoint.npz'],
} as const;

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const damages = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flip' as const), at: fraction, bit: fc.nat(7) }) },
  fc.record({ kind: fc.constant('truncate' as const), at: fraction }),
  fc.record({ kind: fc.constantFrom('delete' as const, 'swap' as const, 'folder' as const) }),
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('alter' as const),
      at: fraction,
      value: fc.constantFrom<unknown>(undefined, null, 'x', 0, 1, -1, 2.5, 1e9, {}, [], true),
      forged: fc.boolean(),
    }),
  },
);

type Damage = typeof damages extends fc.Arbitrary<infer D> ? D : never;

/** Damages a file of a run; false where that cannot be. */
async function apply(damage: Damage, run: string, other: string, name: string): Promise<boolean> {
  const file = join(run, name);
  switch (damage.kind) {
    case 'flip': {
      const bytes = await readFile(file);
      const at = Math.floor(damage.at * bytes.length);
      bytes[at] = bytes[at] ^ (1 << damage.bit);
      await writeFile(file, bytes);
      return true;
    }
    case 'truncate':
      await truncate(file, Math.floor(damage.at * (await readFile(file)).length));
      return true;
    case 'delete':
      await rm(file);
      return true;
    case 'folder':
      await rm(file);
      await mkdir(file);
      return true;
    case 'swap':
      await cp(join(other, name), file);
      return true;
    case 'alter': {
      const alter = <D>(document: D): D => {
        const places = placesOf(document);
        return changedAt(document, places[Math.floor(damage.at * places.length)], damage.value) as D;
      };
      if (name.endsWith('.npz') && damage.forged) {
        await forgeNpz(file, ({ state }) => {
          const next = alter(state) as object | null;
          for (const key of Object.keys(state)) Reflect.deleteProperty(state, key);
          Object.assign(state, next);
        });
      } else if (!name.endsWith('.json')) return false;
      else if (damage.forged) await forgeJson(file, document => Object(alter(document)) as object);
      else await writeFile(file, JSON.stringify(alter(JSON.parse(await readFile(file, 'utf8')))) ?? '');
      return true;
    }
    default:
      return damage satisfies never;
  }
}

/** A result without the bytes of one of the files that it lists. */
function withoutFile(result: unknown, name: string): unknown {
  const { files } = Object(result) as { files?: object };
  return files === undefined ? result : { ...(result as object), files: { ...files, [name]: undefined } };
}

type Command = (run: string) => Promise<unknown>;

const commands: Readonly<Record<keyof typeof names, Readonly<Record<string, Command>>>> = {
  finished: {
    position: run => exported(run, { position: 0 }),
    rule: run => exported(run, { rule: 2 }),
    chosen: run => exported(run, { chosen: 'best' }),
    learned: run => exported(run, { learned: true }),
    inspect: async run => ({ ...(await inspectRun(run)), run: '' }),
    sweep: run => sweep(run, data, { executor: 'ort' }),
  },
  interrupted: {
    inspect: async run => ({ ...(await inspectRun(run)), run: '' }),
    resume: async run => ({ ...(await resumeStitch(run)), run: '', files: await filesOf(run) }),
  },
};

describe('damage of any kind', () => {
  it.each(['finished', 'interrupted'] as const)(
    'to a run that is %s ends in a sentence, or changes nothing',
    async kind => {
      const wanted = new Map<string, Promise<unknown>>();
      const whole = async (name: string): Promise<unknown> => {
        const known = wanted.get(name) ?? commands[kind][name](await copyOf(kind));
        wanted.set(name, known);
        return known;
      };
      const other = kind === 'finished' ? runs.other : runs.otherInterrupted;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...names[kind]),
          damages,
          fc.constantFrom(...Object.keys(commands[kind])),
          async (name, damage, command) => {
            const run = await copyOf(kind);
            fc.pre(await apply(damage, run, other, name));
            let found: unknown;
            try {
              found = await commands[kind][command](run);
            } catch (error) {
              if (!(error instanceof SutureError)) throw error;
              expect(error.message).toMatch(/^[^\n]+\.$/);
              return;
            }
            // Who seals what was forged may say what is to be exported, but breaks nothing.
            // The damaged file may stay as it is: a line end less at the end of a document changes nothing.
            const others = (result: unknown) => withoutFile(result, name);
            if (damage.kind !== 'alter' || !damage.forged) expect(others(found)).toEqual(others(await whole(command)));
          },
        ),
        { numRuns: kind === 'finished' ? 40 : 20 },
      );
    },
  );
});
