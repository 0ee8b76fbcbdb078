import { expect, it } from 'vitest';
import { exportModel, float32, type Graph, GraphBuilder, numbersOf, symbol } from '../../../ir/index.ts';
import { createOrtExecutor, LARGE_WEIGHT } from '../../../runtime/index.ts';
import { detachWeights } from '../../../runtime/ort/weights.ts';
import { draw } from '../../passes/networks.ts';
import { random, relativeError } from '../../passes/ort.ts';

interface Wide {
  readonly graph: Graph;
  /** What the graph makes of one row, computed here. */
  readonly applied: (x: Float32Array) => Float64Array;
}

/** A wide layer each way of holding its weight, and one whose weight something else reads as well. */
function wide(inputs: number, outputs: number): Wide {
  const b = new GraphBuilder('wide');
  // A few numbers over and over, never in the same place of two rows: to draw millions takes longer than what is tested.
  const drawn = draw(random(5), 4099).data as Float32Array;
  const weight = (name: string, ...shape: number[]) => {
    const size = shape.reduce((p, q) => p * q);
    const numbers = new Float32Array(size);
    for (let at = -613 * name.length; at < size; at += drawn.length) {
      numbers.set(drawn.subarray(Math.max(0, -at), Math.min(drawn.length, size - at)), Math.max(0, at));
    }
    return { numbers, value: b.constant(float32(shape, numbers), name) };
  };
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), inputs] });
  const [turned, bias] = [weight('turned', outputs, inputs), weight('bias', outputs)];
  const [plain, shared] = [weight('plain', inputs, outputs), weight('shared-weight', inputs, outputs)];
  const gemm = b.op('Gemm', [x, turned.value, bias.value], { transB: 1 });
  const product = b.op('MatMul', [x, plain.value]);
  const half = b.op('Mul', [shared.value, b.constant(float32([1], [0.5]))]);
  const other = b.op('MatMul', [x, b.op('Add', [shared.value, half])]);
  b.output('y', b.op('Sum', [gemm, product, b.op('MatMul', [x, shared.value]), other]));
  const applied = (row: Float32Array): Float64Array => {
    const sums = Float64Array.from(bias.numbers);
    for (let i = 0; i < inputs; i++) {
      for (let o = 0, at = i * outputs; o < outputs; o++, at++) {
        sums[o] += row[i] * (turned.numbers[o * inputs + i] + plain.numbers[at] + 2.5 * shared.numbers[at]);
      }
    }
    return sums;
  };
  return { graph: b.build(), applied };
}

it('large weights that products alone read are inputs of the model', () => {
  const model = exportModel(wide(8, 4).graph);
  const { model: detached, weights } = detachWeights(model, 4 * 8 * 4);
  expect(weights.map(w => w.name).sort()).toEqual(['plain', 'turned']);
  expect(detached.graph?.input?.map(v => v.name)).toEqual(['x', ...weights.map(w => w.name)]);
  expect(detached.graph?.initializer?.map(t => t.name)).not.toContain('plain');
  expect(detachWeights(model, 4 * 8 * 4 + 1)).toEqual({ model, weights: [] });
});

it('numbers are those of the graph', async () => {
  const { graph, applied } = wide(2050, 2050);
  expect(4 * 2050 * 2050).toBeGreaterThan(LARGE_WEIGHT);
  const executor = createOrtExecutor({ threads: 1 });
  const session = await executor.prepare(graph);
  const x = draw(random(2), 1, 2050);
  const { y } = await session.run({ x });
  const again = await session.run({ x });
  executor.dispose();
  expect(numbersOf(again.y)).toEqual(numbersOf(y));
  expect(relativeError(numbersOf(y), applied(x.data as Float32Array))).toBeLessThan(1e-5);
});
