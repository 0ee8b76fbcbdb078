/** Networks read together: what folders are cut into, and where each of them sees it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportOnnx, GraphBuilder, type Shape, symbol } from '../../../ir/index.ts';
import { loadModels } from '../../../src/network/models.ts';
import { needsMetadata } from '../../../src/network/needs.ts';
import { readPlans } from '../../../src/preprocessing/plans.ts';
import { scratch } from '../cli/support.ts';

const fixture = (file: string): string => join('fixtures', 'volumes3d', file);
const raw = fixture('a/imagesTr');
const [a, coarse] = [fixture('a.onnx'), fixture('coarse.onnx')];
const plans = fixture('a/plans.json');

/** A network that gives its images back. */
const taking = (...spatial: Shape): Promise<string> => written(spatial, {});

async function written(spatial: Shape, metadata: Readonly<Record<string, string>>): Promise<string> {
  const to = new GraphBuilder('net', { metadata });
  const x = to.input('x', { dtype: 'float32', shape: [symbol('N'), 1, ...spatial] });
  to.output('y', to.op('Neg', [x]));
  const file = join(await scratch(), 'net.onnx');
  await writeFile(file, exportOnnx(to.build()));
  return file;
}

describe('networks that are read together', () => {
  it('say what folders are cut into, where they take one size only', async () => {
    const open = await taking(symbol('D'), symbol('H'), symbol('W'));
    const tileOf = async (networks: readonly string[], data: readonly string[], tile?: readonly number[]) =>
      (await loadModels({ networks, data, ...(tile && { folder: { tile } }) })).folder?.tile;
    expect(await tileOf([open, a], [raw])).toEqual([8, 16, 16]);
    expect(await tileOf([open, a], ['data.npz'])).toBeUndefined();
    expect(await tileOf([open, open], [raw])).toBeUndefined();
    expect(await tileOf([open, a], [raw], [4, 8, 8])).toEqual([4, 8, 8]);
  });

  it('say how cases are prepared, where the own one has plans in its file', async () => {
    const open = [symbol('D'), symbol('H'), symbol('W')];
    const exported = await written(open, needsMetadata({ plans: await readPlans(plans) }));
    const { folder, shared } = await loadModels({ networks: [exported, a], data: [raw] });
    expect(folder?.plans).toBe(exported);
    expect(shared?.plans).toMatchObject({ spacing: [2, 1, 1], patchSize: [8, 16, 16], source: exported });
    expect((await loadModels({ networks: [exported, a], data: ['data.npz'] })).folder).toBeUndefined();
    const said = { plans: fixture('b/plans.json') };
    expect((await loadModels({ networks: [exported, a], data: [raw], folder: said })).folder?.plans).toBe(said.plans);
    await expect(loadModels({ networks: [a], data: [raw], folder: { plans: a } })).rejects.toThrow(
      /a.onnx: it says nothing of how its cases are prepared/,
    );
  });

  it('see it on grids of their own by their plans', async () => {
    const gridOf = async (partner: string, file: string, tile?: readonly number[]) => {
      const folder = { plans, partners: { b: file }, ...(tile && { tile }) };
      const { models } = await loadModels({ networks: [tile ? coarse : a, partner], folder, data: [raw] });
      expect(models[0].grid).toBeUndefined();
      return models[1].grid;
    };
    expect(await gridOf(coarse, fixture('coarse.json'))).toMatchObject({ resized: [6, 13, 13], taken: [8, 16, 16] });
    expect(await gridOf(coarse, fixture('b/plans.json'))).toBeUndefined();
    // Another size alone.
    expect(await gridOf(await taking(12, 16, 20), fixture('b/plans.json'))).toMatchObject({
      ...{ resized: [8, 16, 16], taken: [12, 16, 20] },
    });
    expect(await gridOf(coarse, fixture('coarse.json'), [10, 20, 20])).toMatchObject({ taken: [8, 16, 16] });
  });

  it('see the grid of another one where that is chosen, those without plans as the own one', async () => {
    const open = await taking(symbol('D'), symbol('H'), symbol('W'));
    const partners = { b: fixture('coarse.json') };
    const request = { networks: [a, coarse, open], data: [raw] };
    const folder = { plans, partners, tile: [4, 12, 12] };
    const { models, shared } = await loadModels({ ...request, folder: { ...folder, grid: 'b' } });
    expect(shared?.plans.spacing).toEqual([2.5, 1.25, 1.25]);
    expect(models.map(({ grid }) => grid?.resized)).toEqual([[5, 15, 15], undefined, [5, 15, 15]]);
    expect(models.map(({ grid }) => grid?.taken)).toEqual([[8, 16, 16], undefined, [5, 15, 15]]);
    await expect(loadModels({ ...request, folder: { ...folder, grid: 'c' } })).rejects.toThrow(
      'The grid is to be that of network c, and there are plans of a, b.',
    );
    await expect(loadModels({ ...request, folder: { grid: 'b' } })).rejects.toThrow(
      /say by --plans those of the own one/,
    );
    // What the own one cuts off, those without plans do not see either.
    const wide = await loadModels({ ...request, folder: { plans, partners: { b: fixture('b/plans.json') } } });
    expect(wide.models.map(({ front }) => front?.[0].high)).toEqual([2.25, undefined, 2.25]);
  });

  it('are refused where one takes less than it would see', async () => {
    const folder = { plans, partners: { b: fixture('coarse.json') } };
    const small = await taking(4, 16, 16);
    await expect(loadModels({ networks: [a, small], folder, data: [raw] })).rejects.toThrow(
      `parent b (${small}) sees images of 6 × 13 × 13 places on its grid, and it takes 4 × 16 × 16 only`,
    );
  });
});
