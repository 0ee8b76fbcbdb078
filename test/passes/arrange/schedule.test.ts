import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { symbol } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import { verify } from '../../../ir/verify.ts';
import { peak, peakBytes, schedule } from '../../../passes/arrange.ts';
import { directMatching, doubleBatch, trainingStep } from '../../../passes/train.ts';
import { network } from '../train/networks.ts';

const N = symbol('N');
const kilobyte = { dtype: 'float32' as const, shape: [N, 64] };

describe('the peak of activations', () => {
  it('counts what lives together, by hand', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', kilobyte);
    const e = b.op('Exp', [x]);
    const flat = b.op('Reshape', [e, b.ints([-1])]);
    const s = b.op('Sin', [b.op('Cos', [flat])]);
    b.output('y', s);
    // Exp under its other name and Cos, then Cos and Sin: two of 1 KiB at N = 4; the input is not counted.
    expect(peakBytes(b.build(), { N: 4 })).toBe(2 * 1024);
    expect(peak(b.build(), { N: 8 }).living.map(l => l.value.name)).toEqual(['exp', 'cos']);
  });

  it('needs symbols to be bound', () => {
    const b = new GraphBuilder('net');
    b.output('y', b.op('Exp', [b.input('x', kilobyte)]));
    expect(() => peakBytes(b.build())).toThrow('bind its symbols');
  });
});

describe('scheduling', () => {
  it('runs a reduction as soon as its operand is there', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', kilobyte);
    const wide = [0, 1, 2, 3].map(i => b.op('Mul', [x, b.scalar(i + 2)]));
    const sums = wide.map(v => b.op('ReduceSum', [v], { keepdims: 0 }));
    b.output(
      'y',
      sums.reduce((p, q) => b.op('Add', [p, q])),
    );
    const graph = b.build();
    expect(peakBytes(graph, { N: 4 })).toBeGreaterThan(4 * 1024);
    expect(peakBytes(schedule(graph, { N: 4 }), { N: 4 })).toBeLessThan(1.1 * 1024);
  });

  it('keeps the nodes, a topological order, and never raises the peak', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ left: fc.nat(), right: fc.nat(), reduce: fc.boolean() }), { minLength: 2, maxLength: 40 }),
        steps => {
          const b = new GraphBuilder('random');
          const values: Value[] = [b.input('x', kilobyte)];
          for (const { left, right, reduce } of steps) {
            const [x, y] = [values[left % values.length], values[right % values.length]];
            values.push(reduce ? b.op('ReduceMax', [x, b.ints([1])]) : b.op('Add', [x, y]));
          }
          b.output('y', values[values.length - 1]);
          const graph = b.build();
          const ordered = verify(schedule(graph, { N: 4 }));
          expect(new Set(ordered.nodes)).toEqual(new Set(graph.nodes));
          expect(peakBytes(ordered, { N: 4 })).toBeLessThanOrEqual(peakBytes(graph, { N: 4 }));
        },
      ),
    );
  });

  it('lets direct matching keep no feature for its gradients', () => {
    const { graph } = trainingStep(directMatching(network()), { steps: 3 });
    const [before, after] = [peakBytes(graph, { N: 64 }), peakBytes(schedule(graph, { N: 64 }), { N: 64 })];
    expect(after).toBeLessThan(0.4 * before);
  });

  it('keeps one gradient in place of each reference feature', () => {
    const { graph } = trainingStep(doubleBatch(network()), { steps: 3 });
    const { nodes } = schedule(graph, { N: 64 });
    const last = (test: (name: string) => boolean) => nodes.findLastIndex(n => test(n.name));
    // The last node of the forward pass that computes a feature comes after the gradients of almost all losses.
    const forward = last(name => name.startsWith('stitched/') && name.includes('head'));
    const late = nodes.slice(forward).filter(n => n.op === 'FeatureLossGrad');
    expect(late.length).toBeLessThanOrEqual(4);
  });
});
