/** Networks with several outputs: which of them is used, in files as PyTorch writes them and in graphs of all layouts. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, type Shape, symbol } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import type { NpyArray } from '../../../src/data/npy.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { interfaceOf } from '../../../src/network/interface.ts';
import { loadModel } from '../../../src/network/load.ts';
import { warningsOf } from '../../../src/network/model.ts';
import { withOneOutput } from '../../../src/network/one-output.ts';
import { relativeError, runOrt } from '../../passes/ort.ts';

const file = 'fixtures/deep_supervision.onnx';

describe('a network with deep supervision', () => {
  let reference: ReadonlyMap<string, NpyArray>;
  beforeAll(() => {
    reference = parseNpz(readFileSync('fixtures/deep_supervision.npz'));
  });
  const array = (name: string) => reference.get(name) as NpyArray & { data: Float32Array<ArrayBuffer> };

  it.each([
    [undefined, 'seg'],
    ['seg', 'seg'],
    ['seg/2', 'seg/2'],
    ['seg/4', 'seg/4'],
  ])('of which is asked for %s gives what PyTorch gives as %s', async (asked, name) => {
    const { graph } = await loadModel(file, asked);
    expect(graph.outputs.map(output => output.name)).toEqual([name]);
    const [x, expected] = [array('x'), array(name.replace('/', '_'))];
    const found = (await runOrt(graph, { x: float32([...x.shape], x.data) }))[name];
    expect(found.shape).toEqual(expected.shape);
    expect(relativeError(found.data, expected.data)).toBeLessThan(1e-4);
  });

  it('says which is used where nobody said it, and computes nothing for the others', async () => {
    const taken = await loadModel(file);
    expect(warningsOf([taken])).toEqual([
      `${file}: of its outputs 'seg/4', 'seg/2', 'seg' 'seg' is used, which is as large as the image; ` +
        '--output-a NAME says which is meant, --output-b NAME of the second network',
    ]);
    expect(taken.file.outputs).toHaveLength(3);
    // The heads of the coarser levels.
    expect(taken.graph.nodes.filter(({ op }) => op === 'Conv')).toHaveLength(
      taken.file.nodes.filter(({ op }) => op === 'Conv').length - 2,
    );
    expect(warningsOf([await loadModel(file, 'seg')])).toEqual([]);
  });

  it('is refused with a name that it does not have', async () => {
    await expect(loadModel(file, 'logits')).rejects.toThrow(
      `${file} has no output 'logits'; it has 'seg/4', 'seg/2', 'seg'.`,
    );
  });
});

/** [N, 2, spatial...] in, outputs of these shapes behind the batch. */
function giving(input: Shape, ...shapes: readonly Shape[]): Graph {
  const to = new GraphBuilder('net');
  const n = symbol('N');
  const x = to.input('x', { dtype: 'float32', shape: [n, ...input] });
  const mean = to.op('ReduceMean', [x], { keepdims: 0 });
  for (const [i, shape] of shapes.entries()) {
    const wide = to.op('Expand', [mean, to.ints(shape as number[])]);
    const batch = to.op('Unsqueeze', [
      to.op('ReduceSum', [x, to.ints(input.map((_, axis) => axis + 1))], { keepdims: 0 }),
      to.ints(shape.map((_, axis) => axis + 1)),
    ]);
    to.output(`y${i}`, to.op('Add', [wide, batch]));
  }
  return to.build();
}

describe('of several outputs', () => {
  it.each<[string, Shape, Shape[], string]>([
    [
      'channels in front',
      [1, 8, 6],
      [
        [3, 4, 3],
        [3, 8, 6],
      ],
      'y1',
    ],
    [
      'channels behind',
      [1, 8, 6],
      [
        [8, 6, 3],
        [4, 3, 3],
      ],
      'y0',
    ],
    ['no channels', [1, 8, 6], [[5], [8, 6], [4, 3]], 'y1'],
    [
      'volumes',
      [1, 4, 8, 6],
      [
        [3, 2, 4, 3],
        [3, 4, 8, 6],
      ],
      'y1',
    ],
    ['a classifier beside it', [1, 8, 6], [[5], [3, 8, 6]], 'y1'],
  ])('the one that is as large as the image is used: %s', (_, input, outputs, name) => {
    const used = withOneOutput(giving(input, ...outputs), 'net');
    expect(used.outputs.map(output => output.name)).toEqual([name]);
    expect(interfaceOf(used, 'net')).toMatchObject({ output: name });
  });

  it.each<[string, Shape, Shape[], string]>([
    [
      'two that are',
      [1, 8, 6],
      [
        [3, 8, 6],
        [8, 6, 3],
      ],
      "of which 'y0', 'y1' are as large as the image",
    ],
    [
      'none that is',
      [1, 8, 6],
      [
        [3, 4, 3],
        [3, 2, 1],
      ],
      'none of which is as large as the image',
    ],
    ['two of a classifier', [1, 8, 6], [[5], [5]], 'none of which is as large as the image'],
    ['images without extents', [7], [[5], [7]], 'none of which is as large as the image'],
  ])('all stay where it is not clear, and data are refused: %s', (_, input, outputs, why) => {
    const graph = giving(input, ...outputs);
    expect(withOneOutput(graph, 'net')).toBe(graph);
    expect(() => interfaceOf(graph, 'net')).toThrow(
      `net gives 2 outputs ('y0', 'y1'), ${why}: --output-a NAME says which is meant, --output-b NAME of the second network.`,
    );
    expect(interfaceOf(withOneOutput(graph, 'net', 'y1'), 'net')).toMatchObject({ output: 'y1' });
  });

  it('does not touch a network with one', () => {
    const { graph } = importOnnx('fixtures/models/unet_plain_13.onnx');
    expect(withOneOutput(graph, 'net')).toBe(graph);
    expect(withOneOutput(graph, 'net', 'y')).toBe(graph);
  });
});

it('refuses several inputs with the reason', () => {
  const to = new GraphBuilder('net');
  const [x, mask] = ['x', 'mask'].map(name => to.input(name, { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] }));
  to.output('y', to.op('Mul', [x, mask]));
  expect(() => interfaceOf(to.build(), 'net')).toThrow(
    "net takes 2 inputs ('x', 'mask'); data files serve networks with one.",
  );
});
