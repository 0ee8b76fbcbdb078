import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import type { Value } from '../../../ir/graph.ts';
import { print } from '../../../ir/print.ts';
import { verify } from '../../../ir/verify.ts';
import { arrange, isRecomputed, peakBytes, recompute, schedule } from '../../../passes/arrange.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import { specialize } from '../../../passes/specialize.ts';
import { doubleBatch, trainingStep } from '../../../passes/train.ts';
import { runOrt } from '../ort.ts';
import { feeds, network } from '../train/networks.ts';

/** A chain of sines: the gradient reads every one of them, in the opposite order. */
function chain(length: number) {
  const b = new GraphBuilder('chain');
  let x: Value = b.input('x', { dtype: 'float32', shape: [64, 64] });
  for (let i = 0; i < length; i++) x = b.op('Sin', [x], {}, { name: `sin${i}` });
  b.output('loss', b.op('ReduceSum', [x], { keepdims: 0 }));
  return differentiate(b.build(), { loss: 'loss', parameters: ['x'] }).graph;
}

describe('recomputation', () => {
  it('computes again what the backward pass reads, next to where it reads it', () => {
    const graph = chain(5);
    const frugal = verify(recompute(graph, { loss: 'loss', budget: 1 }));
    expect(peakBytes(frugal)).toBeLessThan(peakBytes(schedule(graph)));
    const text = print(frugal);
    expect(text.replaceAll('float32[64, 64]', 'f32')).toMatchInlineSnapshot(`
      "graph chain(%x: f32) {
        %sin0: f32 = Sin(%x)
        %sin1: f32 = Sin(%sin0)
        %sin2: f32 = Sin(%sin1)
        %sin3: f32 = Sin(%sin2)
        %sin4: f32 = Sin(%sin3)
        %reducesum: float32[] = ReduceSum(%sin4) {keepdims = 0}
        %gradient/reducesum/expand: f32 = Expand(1, [64, 64])
        %gradient/sin4/cos: f32 = Cos(%sin3)
        %gradient/sin4/mul: f32 = Mul(%gradient/reducesum/expand, %gradient/sin4/cos)
        %gradient/sin3/cos: f32 = Cos(%sin2)
        %gradient/sin3/mul: f32 = Mul(%gradient/sin4/mul, %gradient/sin3/cos)
        %again/sin0: f32 = Sin(%x)
        %again/sin1: f32 = Sin(%again/sin0)
        %gradient/sin2/cos: f32 = Cos(%again/sin1)
        %gradient/sin2/mul: f32 = Mul(%gradient/sin3/mul, %gradient/sin2/cos)
        %gradient/sin1/cos: f32 = Cos(%again/sin0)
        %gradient/sin1/mul: f32 = Mul(%gradient/sin2/mul, %gradient/sin1/cos)
        %gradient/sin0/cos: f32 = Cos(%x)
        %gradient/sin0/mul: f32 = Mul(%gradient/sin1/mul, %gradient/sin0/cos)
        return loss = %reducesum, gradient/x = %gradient/sin0/mul
      }"
    `);
  });

  it('leaves a graph alone that fits', () => {
    const graph = chain(3);
    expect(recompute(graph, { loss: 'loss', budget: 1e9 }).nodes.some(isRecomputed)).toBe(false);
  });

  it('gives up no more than it must', () => {
    const { graph, loss } = trainingStep(doubleBatch(network(4)), { steps: 3 });
    const count = (budget: number) => recompute(graph, { loss, budget }).nodes.filter(isRecomputed).length;
    const peak = peakBytes(schedule(graph));
    const [some, more] = [count(0.8 * peak), count(0.5 * peak)];
    expect(some).toBeGreaterThan(0);
    expect(more).toBeGreaterThan(some);
  });

  it('halves the peak of a training step, changes no number of it, and goes by what it is told of it, not by names', async () => {
    const step = trainingStep(doubleBatch(network()), { steps: 3 });
    const { loss } = step;
    const graph = specialize(step.graph, { N: 8 });
    const budget = peakBytes(schedule(graph)) / 2;
    const frugal = verify(arrange(graph, { step: { loss, budget } }));
    expect(peakBytes(frugal)).toBeLessThanOrEqual(budget);
    const given = { ...feeds(graph, 8), ...Object.fromEntries(step.state) };
    const [want, got] = [await runOrt(arrange(graph, { step: { loss } }), given), await runOrt(frugal, given)];
    for (const name of Object.keys(want)) expect(got[name].data, name).toEqual(want[name].data);

    const renamed = graph.with({
      name: 'again/step',
      outputs: graph.outputs.map(o => (o.name === loss ? { ...o, name: 'error' } : o)),
      nodes: graph.nodes.map(n => ({ ...n, name: `again/${n.name}` })),
    });
    expect(arrange(renamed).nodes.some(isRecomputed)).toBe(false);
    const again = arrange(renamed, { fuse: false, step: { loss: 'error', budget } });
    expect(again.nodes.some(isRecomputed)).toBe(true);
    // Convolutions are the last to be computed twice.
    const heavy = (ops: readonly { op: string }[]) => ops.filter(n => n.op.startsWith('Conv')).length;
    expect(heavy(again.nodes)).toBeLessThanOrEqual(1.6 * heavy(graph.nodes));
  });

  it('refuses a budget of nothing', () => {
    expect(() => recompute(chain(2), { loss: 'loss', budget: 0 })).toThrow('must be positive');
  });
});
