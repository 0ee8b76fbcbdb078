import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder } from '../../../ir/index.ts';
import type { AdapterFacts } from '../../../runtime/adapter/index.ts';
import { embeddedDriverUnavailable } from '../../../runtime/adapter/swiftshader.ts';
import { createWebgpuExecutor } from '../../../runtime/index.ts';
import { KernelChoices } from '../../../runtime/webgpu/choices.ts';
import { numbers } from '../oracle.ts';

const facts = {
  vendor: 'acme',
  architecture: 'anvil',
  device: '1',
  description: 'driver 2',
  driver: undefined,
} as unknown as AdapterFacts;

let cache: string;
const said: string[] = [];
const open = (given: AdapterFacts = facts, directories: readonly string[] = [cache]) =>
  KernelChoices.open(given, 'gpu', sentence => said.push(sentence), directories);

/** The one file in the cache. */
async function file(): Promise<string> {
  const [name, ...more] = await readdir(cache);
  expect(more).toEqual([]);
  return join(cache, name);
}

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'suture-test-'));
  said.length = 0;
  return () => rm(cache, { recursive: true, force: true });
});

describe('measurements on disk', () => {
  it('serve later sessions on the same adapter, and no other', async () => {
    const first = await open();
    first.measured.set('conv', '1x2');
    await first.save();
    expect([...(await open()).measured]).toEqual([['conv', '1x2']]);
    expect((await open({ ...facts, description: 'driver 3' })).measured.size).toBe(0);
    expect(said).toEqual([]);
  });

  it('of two processes at the same time are both kept', async () => {
    const [one, other] = [await open(), await open()];
    one.measured.set('conv', '1x2');
    other.measured.set('matmul', '3x4');
    await one.save();
    await other.save();
    expect(Object.fromEntries((await open()).measured)).toEqual({ conv: '1x2', matmul: '3x4' });
  });

  const damages: readonly [string, (text: string) => string, RegExp][] = [
    ['cut short', text => text.slice(0, -20), /the file is damaged; --tune measures anew/],
    ['something else', () => '[1, 2]', /is no file of kernel measurements/],
    ['of another adapter', text => text.replace('acme', 'emca'), /is of another adapter/],
    [
      'of other kernels',
      text => text.replace(/"version": "\w+"/, '"version": "0"'),
      /of another version of the kernels/,
    ],
    ['with choices that are none', text => text.replace('"1x2"', '7'), /is damaged/],
  ];
  for (const [what, damage, sentence] of damages) {
    it(`are ignored with a sentence where the file is ${what}, and replaced`, async () => {
      const first = await open();
      first.measured.set('conv', '1x2');
      await first.save();
      const path = await file();
      await writeFile(path, damage(await readFile(path, 'utf8')));
      const second = await open();
      expect(second.measured.size).toBe(0);
      expect(said).toEqual([expect.stringMatching(sentence)]);
      second.measured.set('conv', '3x4');
      await second.save();
      expect([...(await open()).measured]).toEqual([['conv', '3x4']]);
      expect(said).toHaveLength(1);
    });
  }

  it('go to the next directory where the first cannot be written, and to none with a sentence', async () => {
    const blocked = join(cache, 'file');
    await writeFile(blocked, '');
    const below = join(blocked, 'suture');
    const next = join(cache, 'next');
    const first = await open(facts, [below, next]);
    first.measured.set('conv', '1x2');
    await first.save();
    expect((await open(facts, [below, next])).measured.size).toBe(1);
    expect(said).toEqual([]);
    const nowhere = await open(facts, [below]);
    nowhere.measured.set('conv', '1x2');
    await nowhere.save();
    expect(said).toEqual([expect.stringMatching(/used now but not kept: no cache directory can be written/)]);
  });

  it('leave nothing beside the file, which nobody else can write', async () => {
    const shared = join(cache, 'shared');
    await mkdir(shared);
    await chmod(shared, 0o777);
    const choices = await open(facts, [shared]);
    choices.measured.set('conv', '1x2');
    await choices.save();
    expect(await readdir(shared)).toHaveLength(1);
    expect(said).toEqual([]);
  });
});

function network(): Graph {
  const b = new GraphBuilder('network');
  const x = b.input('x', { dtype: 'float32', shape: [2, 4, 12, 10] });
  const weight = (shape: readonly number[], seed: number) =>
    b.constant(
      float32(
        shape,
        Float32Array.from(
          numbers(
            shape.reduce((p, q) => p * q, 1),
            seed,
          ),
        ),
      ),
    );
  const wide = b.op('Conv', [x, weight([6, 4, 3, 3], 1)], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] });
  const narrow = b.op('Conv', [wide, weight([3, 6, 1, 1], 2)], { kernel_shape: [1, 1] });
  b.output('y', narrow);
  return b.build();
}

describe.skipIf(embeddedDriverUnavailable() !== undefined)('an executor that measures', () => {
  const before = process.env.SUTURE_CACHE_DIR;
  beforeAll(async () => (await createWebgpuExecutor()).dispose());
  afterAll(() => {
    if (before === undefined) delete process.env.SUTURE_CACHE_DIR;
    else process.env.SUTURE_CACHE_DIR = before;
  });

  it('settles each choice once, and computes the same bits before and after', async () => {
    process.env.SUTURE_CACHE_DIR = cache;
    const graph = network();
    const x = float32([2, 4, 12, 10], Float32Array.from(numbers(960, 3)));
    const run = async (tune: boolean) => {
      const settled: number[] = [];
      const executor = await createWebgpuExecutor({ tune, onTuning: (_, total) => settled.push(total) });
      const session = await executor.prepare(graph);
      const { y } = await session.run({ x });
      executor.dispose();
      return { y: y.data, settled };
    };
    const plain = await run(false);
    expect(plain.settled).toEqual([]);
    const tuned = await run(true);
    expect(tuned.settled).toEqual([2, 2, 2]);
    const { choices } = JSON.parse(await readFile(await file(), 'utf8')) as { choices: Record<string, string> };
    expect(Object.keys(choices)).toHaveLength(2);
    const again = await run(true);
    expect(again.settled).toEqual([]);
    const later = await run(false);
    for (const { y } of [tuned, again, later]) expect(y).toEqual(plain.y);
  });
});
