/** Training steps within a budget of memory: the same numbers, and as much memory as was planned. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, type Value, verify } from '../../../ir/index.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import {
  arrange,
  doubleBatch,
  isRecomputed,
  peakBytes,
  simplify,
  specialize,
  trainingStep,
} from '../../../passes/index.ts';
import { createWebgpuExecutor } from '../../../runtime/index.ts';
import { arrangeWithin } from '../../../src/execution/budget.ts';
import { random, runOrt } from '../../passes/ort.ts';
import { feeds, network } from '../../passes/train/networks.ts';

type Step = { readonly op: string; readonly left: number; readonly right: number; readonly term: boolean };

const arbitrarySteps = fc.array(
  fc.record({
    op: fc.constantFrom('Conv', 'Stitch', 'Norm', 'LeakyRelu', 'Sigmoid', 'Sin', 'Add', 'Mul', 'Concat', 'Reshape'),
    left: fc.nat(1),
    right: fc.nat(),
    term: fc.boolean(),
  }),
  { minLength: 8, maxLength: 20 },
);

/** A loss over a random graph of features, of 8 KiB each, and its gradients. */
function randomStep(steps: readonly Step[]): Graph {
  const b = new GraphBuilder('random');
  const draw = random(1);
  const tensor = (...shape: number[]): Value => {
    const numbers = Float32Array.from({ length: shape.reduce((p, q) => p * q) }, () => draw() - 0.4);
    return b.constant(float32(shape, numbers), 'w');
  };
  const values = [b.input('x', { dtype: 'float32', shape: [2, 8, 8, 16] })];
  const parameters: string[] = [];
  const terms: Value[] = [];
  const varying = new Set<Value>();
  for (const { op, left, right, term } of [...steps, { op: 'Stitch', left: 0, right: 0, term: true }]) {
    const x = values.at(-1 - (left % values.length))!;
    const y = values[right % values.length];
    const made = (): Value => {
      switch (op) {
        case 'Conv':
          return b.op('Conv', [x, tensor(8, 8, 3, 3)], { pads: [1, 1, 1, 1] });
        case 'Stitch': {
          const weight = b.input('weight', { dtype: 'float32', shape: [8, 8] });
          const bias = b.input('bias', { dtype: 'float32', shape: [8] });
          parameters.push(weight.name, bias.name);
          return b.op('Stitch', [x, weight, bias]);
        }
        case 'Norm':
          return b.op('InstanceNormalization', [x, tensor(8), tensor(8)]);
        case 'Concat': {
          const halves = [x, y].map(v => b.op('Slice', [v, b.ints([2]), b.ints([6]), b.ints([1])]));
          return b.op('Concat', halves, { axis: 1 });
        }
        case 'Reshape': {
          const flat = b.op('Reshape', [b.op('Tanh', [x]), b.ints([2, 8, 128])]);
          return b.op('Reshape', [b.op('Mul', [flat, flat]), b.ints([2, 8, 8, 16])]);
        }
        case 'Add':
        case 'Mul':
          return b.op(op, [x, y]);
        default:
          return b.op(op as 'Sin', [x]);
      }
    };
    const value = made();
    values.push(value);
    if (op === 'Stitch' || varying.has(x) || varying.has(y)) varying.add(value);
    // References are not differentiated.
    const reference = varying.has(y) ? values[0] : y;
    if (term) terms.push(b.op('FeatureLoss', [value, reference]));
  }
  b.output(
    'loss',
    terms.reduce((p, q) => b.op('Add', [p, q])),
  );
  return simplify(differentiate(b.build(), { loss: 'loss', parameters }).graph);
}

describe('a budget of memory', () => {
  it('is kept down to the lowest there is, refused below, and changes no bit of a random graph', async () => {
    let again = 0;
    await fc.assert(
      fc.asyncProperty(arbitrarySteps, fc.double({ min: 0, max: 0.5, noNaN: true }), async (steps, share) => {
        const graph = randomStep(steps);
        const step = { loss: 'loss' };
        const free = arrange(graph, { step });
        const [lowest, most] = [arrange(graph, { step: { ...step, budget: 1 } }), free].map(g => peakBytes(g));
        const budget = lowest + Math.round(share * (most - lowest));
        const frugal = verify(arrangeWithin(graph, 'loss', budget));
        expect(peakBytes(frugal)).toBeLessThanOrEqual(budget);
        expect(() => arrangeWithin(graph, 'loss', lowest - 1)).toThrow('however much is computed again');
        if (frugal.nodes.some(isRecomputed)) again++;
        const given = feeds(graph, 2);
        const [want, got] = [await runOrt(free, given), await runOrt(frugal, given)];
        expect(Object.keys(got)).toEqual(Object.keys(want));
        for (const name of Object.keys(want)) expect(got[name].data, name).toEqual(want[name].data);
      }),
      { numRuns: 10 },
    );
    expect(again).toBeGreaterThan(0);
  }, 60_000);

  it('is what is allocated, under sampled settings, and it changes no bit of a step on WebGPU', async () => {
    const step = trainingStep(doubleBatch(network(), { switches: 'position' }), { steps: 3 });
    const graph = simplify(specialize(step.graph, { N: 8 }));
    const given = { ...feeds(graph, 8), ...Object.fromEntries(step.state) };
    const executor = await createWebgpuExecutor({ adapter: 'embedded' });
    try {
      const whole = peakBytes(arrange(graph, { step }));
      let want: Readonly<Record<string, { readonly data: unknown }>> | undefined;
      for (const share of [1, 0.6]) {
        const session = await executor.prepare(arrangeWithin(graph, step.loss, share));
        const { activations, peak } = session.memory;
        expect(peak!.bytes).toBeLessThanOrEqual(1.02 * share * whole);
        expect(activations).toBeGreaterThanOrEqual(peak!.bytes);
        expect(activations).toBeLessThan(1.3 * peak!.bytes);
        const got = await session.run(given);
        want ??= got;
        for (const name of Object.keys(want)) expect(got[name].data, name).toEqual(want[name].data);
        session.dispose();
      }
    } finally {
      executor.dispose();
    }
  }, 60_000);
});
