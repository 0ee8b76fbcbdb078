import { expect, it } from 'vitest';
import { exportModel, float32, type Graph, GraphBuilder, numbersOf, symbol } from '../../../ir/index.ts';
import { createOrtExecutor, LARGE_WEIGHT } from '../../../runtime/index.ts';
import { detachWeights } from '../../../runtime/ort/weights.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { draw } from '../../passes/networks.ts';
import { random, relativeError } from '../../passes/ort.ts';

/** A wide layer each way of holding its weight, and one whose weight something else reads as well. */
function wide(inputs: number, outputs: number): Graph {
  const next = random(5);
  const b = new GraphBuilder('wide');
  const weight = (name: string, ...shape: number[]) => b.constant(draw(next, ...shape), name);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), inputs] });
  const gemm = b.op('Gemm', [x, weight('turned', outputs, inputs), weight('bias', outputs)], { transB: 1 });
  const product = b.op('MatMul', [x, weight('plain', inputs, outputs)]);
  const shared = weight('shared', inputs, outputs);
  const other = b.op('MatMul', [x, b.op('Add', [shared, b.op('Mul', [shared, b.constant(float32([1], [0.5]))])])]);
  b.output('y', b.op('Sum', [gemm, product, b.op('MatMul', [x, shared]), other]));
  return b.build();
}

it('large weights that products alone read are inputs of the model', () => {
  const model = exportModel(wide(8, 4));
  const { model: detached, weights } = detachWeights(model, 4 * 8 * 4);
  expect(weights.map(w => w.name).sort()).toEqual(['plain', 'turned']);
  expect(detached.graph?.input?.map(v => v.name)).toEqual(['x', ...weights.map(w => w.name)]);
  expect(detached.graph?.initializer?.map(t => t.name)).not.toContain('plain');
  expect(detachWeights(model, 4 * 8 * 4 + 1)).toEqual({ model, weights: [] });
});

it('numbers are those of the graph', async () => {
  const graph = wide(2050, 2050);
  expect(4 * 2050 * 2050).toBeGreaterThan(LARGE_WEIGHT);
  const executor = createOrtExecutor({ threads: 1 });
  const session = await executor.prepare(graph);
  const x = draw(random(2), 2, 2050);
  const { y } = await session.run({ x });
  const again = await session.run({ x });
  executor.dispose();
  expect(numbersOf(again.y)).toEqual(numbersOf(y));
  expect(relativeError(numbersOf(y), numbersOf(evaluateGraph(graph, { x }).get('y')!))).toBeLessThan(1e-5);
});
