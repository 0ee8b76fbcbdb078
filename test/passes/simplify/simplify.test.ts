import { existsSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { float32, type Graph, GraphBuilder, numbersOf, print, symbol, type Value, verify } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { simplify } from '../../../passes/index.ts';
import { removeDeadCode } from '../../../passes/simplify/remove-dead-code.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { draw, networks, samples } from '../networks.ts';
import { random, relativeError } from '../ort.ts';

/** The nodes of the simplified graph, one a line, without types. */
function simplified(
  shape: readonly (number | string)[],
  make: (b: GraphBuilder, x: Value) => Value | readonly Value[],
  fuse = false,
): string {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: shape.map(d => (typeof d === 'string' ? symbol(d) : d)) });
  const made = make(b, x);
  for (const [i, value] of ('type' in made ? [made] : made).entries()) b.output(`y${i}`, value);
  const before = b.build();
  const after = verify(simplify(before, { fuse }));
  expect(simplify(after, { fuse })).toBe(after);
  return print(after, { elements: 8 })
    .split('\n')
    .slice(1, -1)
    .map(line => line.trim().replace(/: \w+\[[^\]]*\] = /, ' = '))
    .join('\n');
}

describe('simplify', () => {
  test('folds shape arithmetic, the batch stays symbolic', () => {
    const flattened = simplified(['N', 8, 4, 4], (b, x) => {
      const shape = b.op('Shape', [x]);
      const batch = b.op('Unsqueeze', [
        b.op('Gather', [shape, b.constant({ dtype: 'int64', shape: [], data: BigInt64Array.of(0n) })]),
        b.ints([0]),
      ]);
      return b.op('Reshape', [x, b.op('Concat', [batch, b.ints([-1])], { axis: 0 })]);
    });
    expect(flattened).toBe('%reshape = Reshape(%x, [0, 128])\nreturn y0 = %reshape');
    const expanded = simplified(['N', 1], (b, x) => {
      const batch = b.op('Slice', [b.op('Shape', [x]), b.ints([0]), b.ints([1])]);
      return b.op('Expand', [x, b.op('Concat', [batch, b.ints([8])], { axis: 0 })]);
    });
    expect(expanded).toBe('%expand = Expand(%x, [1, 8])\nreturn y0 = %expand');
    // What exporters write for `x.expand(-1, 8)`.
    const kept = simplified(['N', 8], (b, x) => {
      const shape = b.op('Shape', [x]);
      const open = b.op('Equal', [shape, b.ints([-1, -1])]);
      return b.op('Expand', [b.op('Relu', [x]), b.op('Where', [open, b.ints([1, 1]), shape])]);
    });
    expect(kept).toBe('%relu = Relu(%x)\nreturn y0 = %relu');
  });

  test('leaves out what gives its operand back', () => {
    expect(
      simplified(['N', 2, 4, 4], (b, x) => {
        const same = b.op('Pad', [
          b.op('Cast', [b.op('Identity', [x])], { to: 'float32' }),
          b.ints([0, 0, 0, 0, 0, 0, 0, 0]),
        ]);
        const sliced = b.op('Slice', [
          b.op('Concat', [same], { axis: 1 }),
          b.ints([0]),
          b.ints([2 ** 40]),
          b.ints([2]),
        ]);
        return b.op('Mul', [b.op('Reshape', [sliced, b.ints([0, 2, 4, 4])]), b.scalar(1)]);
      }),
    ).toBe('return y0 = %x');
  });

  test('but keeps what changes signs of zeros or order', () => {
    expect(simplified(['N', 4], (b, x) => b.op('Add', [x, b.scalar(0)]))).toMatch(/Add/);
    expect(
      simplified(['N', 4], (b, x) => b.op('Slice', [x, b.ints([-1]), b.ints([-5]), b.ints([1]), b.ints([-1])])),
    ).toMatch(/Slice/);
    expect(simplified(['N', 4, 4], (b, x) => b.op('Transpose', [x], { perm: [0, 2, 1] }))).toMatch(/Transpose/);
  });

  test('merges changes of order and of shape', () => {
    expect(
      simplified(['N', 2, 3], (b, x) =>
        b.op('Transpose', [b.op('Transpose', [x], { perm: [1, 2, 0] })], { perm: [2, 0, 1] }),
      ),
    ).toBe('return y0 = %x');
    expect(
      simplified(['N', 2, 3], (b, x) =>
        b.op('Transpose', [b.op('Transpose', [x], { perm: [1, 2, 0] })], { perm: [1, 2, 0] }),
      ),
    ).toBe('%transpose_1 = Transpose(%x) {perm = [2, 0, 1]}\nreturn y0 = %transpose_1');
    expect(simplified(['N', 8, 1, 1], (b, x) => b.op('Reshape', [b.op('Flatten', [x]), b.ints([-1, 2, 4])]))).toBe(
      '%reshape = Reshape(%x, [0, 2, 4])\nreturn y0 = %reshape',
    );
  });

  test('takes a Pad with zeros into the window behind it', () => {
    const around = (b: GraphBuilder, x: Value) => b.op('Pad', [x, b.ints([0, 0, 1, 1, 0, 0, 1, 2])]);
    expect(
      simplified(['N', 2, 4, 4], (b, x) =>
        b.op('Conv', [around(b, x), b.constant(draw(random(1), 2, 2, 3, 3), 'w')], { pads: [1, 0, 0, 0] }),
      ),
    ).toMatch(/^%conv = Conv\(%x, \$w.*pads = \[2, 1, 1, 2\]/);
    expect(simplified(['N', 2, 4, 4], (b, x) => b.op('AveragePool', [around(b, x)], { kernel_shape: [2, 2] }))).toMatch(
      /AveragePool\(%x\).*count_include_pad = 1/,
    );
    // MaxPool's own padding is the lowest number, not zero.
    expect(simplified(['N', 2, 4, 4], (b, x) => b.op('MaxPool', [around(b, x)], { kernel_shape: [2, 2] }))).toMatch(
      /Pad/,
    );
    expect(
      simplified(['N', 2, 4, 4], (b, x) =>
        b.op('Conv', [
          b.op('Pad', [x, b.ints([0, 0, 1, 1, 0, 0, 1, 1])], { mode: 'reflect' }),
          b.constant(draw(random(1), 2, 2, 3, 3), 'w'),
        ]),
      ),
    ).toMatch(/Pad/);
  });

  test('computes once what is computed twice', () => {
    expect(
      simplified(['N', 2], (b, x) => {
        const branch = () =>
          b.op('LeakyRelu', [b.op('Mul', [x, b.constant(float32([2], [2, 3]), 'w')])], { alpha: 0.5 });
        return b.op('Add', [branch(), branch()]);
      }),
    ).toBe(
      '%mul = Mul(%x, [2, 3])\n%leakyrelu = LeakyRelu(%mul) {alpha = 0.5}\n%add = Add(%leakyrelu, %leakyrelu)\nreturn y0 = %add',
    );
    const different = simplified(['N', 2], (b, x) => [
      b.op('LeakyRelu', [x], { alpha: 0.5 }),
      b.op('LeakyRelu', [x], { alpha: 0.25 }),
    ]);
    expect(different.match(/LeakyRelu\(/g)?.length).toBe(2);
  });

  test('folds constants, but does not blow them up', () => {
    expect(simplified(['N', 2], (b, x) => b.op('Add', [x, b.op('Mul', [b.scalar(2), b.scalar(3)])]))).toBe(
      '%add = Add(%x, 6)\nreturn y0 = %add',
    );
    expect(
      simplified(['N', 512, 512], (b, x) => b.op('Add', [x, b.op('Expand', [b.scalar(2), b.ints([512, 512])])])),
    ).toMatch(/Expand/);
  });

  test('folds batch normalisation on request', () => {
    const next = random(1);
    const layer = (b: GraphBuilder, x: Value) => {
      const conv = b.op('Conv', [x, b.constant(draw(next, 3, 2, 3, 3), 'w')]);
      const statistics = [1, 2, 3].map(() => b.constant(draw(next, 3), 'p'));
      const variance = b.constant(float32([3], [1, 2, 0.5]), 'v');
      return b.op('BatchNormalization', [conv, statistics[0], statistics[1], statistics[2], variance]);
    };
    expect(simplified(['N', 2, 4, 4], layer)).toMatch(/BatchNormalization/);
    expect(simplified(['N', 2, 4, 4], layer, true)).toMatch(
      /^%batchnormalization = Conv\(%x, \$w_1: float32\[3, 2, 3, 3\], \[.*\]\)\nreturn/,
    );
  });

  test('removes dead code, and keeps inputs', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [2] });
    b.input('unused', { dtype: 'float32', shape: [2] });
    b.op('Relu', [x]);
    b.output('y', x);
    const graph = removeDeadCode(b.build());
    expect(graph.nodes).toEqual([]);
    expect(graph.inputs.map(v => v.name)).toEqual(['x', 'unused']);
    expect(removeDeadCode(graph)).toBe(graph);
  });

  test('changes no number of any network', () => {
    const numbers = (graph: Graph, seed: number) =>
      Array.from(numbersOf(evaluateGraph(graph, { x: samples(seed) }).get('logits')!));
    fc.assert(
      fc.property(networks(), fc.nat(), (graph, seed) => {
        const wanted = numbers(graph, seed);
        const simple = verify(simplify(graph));
        expect(numbers(simple, seed)).toEqual(wanted);
        expect(simplify(simple)).toBe(simple);
        expect(relativeError(numbers(verify(simplify(graph, { fuse: true })), seed), wanted)).toBeLessThan(1e-5);
      }),
      { numRuns: 15 },
    );
  });

  const folder = 'fixtures/models';
  test.skipIf(!existsSync(folder))('leaves no shape arithmetic in exported networks', () => {
    for (const file of readdirSync(folder).filter(name => /^(view|unet.*|resnet.*|vgg.*|mlp.*)\.onnx$/.test(name))) {
      const graph = verify(simplify(importOnnx(`${folder}/${file}`).graph));
      const left = graph.nodes.filter(n => ['Shape', 'Gather', 'Identity', 'Constant', 'Pad'].includes(n.op));
      expect(left.map(n => `${file} ${n.op}`)).toEqual([]);
    }
  });
});
