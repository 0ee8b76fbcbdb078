import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { isElementwise } from '../../../ir/ops/index.ts';
import { print } from '../../../ir/print.ts';
import { float32 } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { arrange, fuse, invert } from '../../../passes/arrange.ts';
import { specialize } from '../../../passes/specialize.ts';
import { doubleBatch, trainingStep } from '../../../passes/train.ts';
import { relativeError, runOrt } from '../ort.ts';
import { feeds, network } from '../train/networks.ts';

const f32 = (...shape: number[]) => ({ dtype: 'float32' as const, shape });

/** What `fuse` promises of every region. */
function checkRegions(graph: Graph, buffers = 8): void {
  for (const node of graph.nodes) {
    if (node.op !== 'Fused') continue;
    const { nodes, inputs, outputs } = node.attributes.body;
    const [first, ...rest] = nodes;
    expect(inputs.length + outputs.length).toBeLessThanOrEqual(buffers);
    expect(rest.every(n => isElementwise(n.op))).toBe(true);
    const shapes = new Set(nodes.map(n => String(n.outputs[0].type.shape)));
    expect(shapes.size).toBe(1);
    if (isElementwise(first.op)) continue;
    expect(outputs).toHaveLength(1);
    expect(outputs[0].value).not.toBe(first.outputs[0]);
  }
}

describe('fusion', () => {
  it('puts a bias, a skip and a rectifier behind a convolution', () => {
    const b = new GraphBuilder('net');
    const [x, r] = [b.input('x', f32(1, 2, 4, 4)), b.input('r', f32(1, 3, 4, 4))];
    const w = b.constant(float32([3, 2, 1, 1], new Float32Array(6)), 'w');
    b.output('y', b.op('LeakyRelu', [b.op('Add', [b.op('Conv', [x, w]), r])]));
    expect(print(fuse(b.build()))).toMatchInlineSnapshot(`
      "graph net(%x: float32[1, 2, 4, 4], %r: float32[1, 3, 4, 4]) {
        %fused/conv: float32[1, 3, 4, 4] = Fused(%x, $w: float32[3, 2, 1, 1], %r)
          graph fused(%x: float32[1, 2, 4, 4], %w: float32[3, 2, 1, 1], %r: float32[1, 3, 4, 4]) {
            %conv: float32[1, 3, 4, 4] = Conv(%x, %w)
            %add: float32[1, 3, 4, 4] = Add(%conv, %r)
            %leakyrelu: float32[1, 3, 4, 4] = LeakyRelu(%add)
            return leakyrelu = %leakyrelu
          }
        return y = %fused/conv
      }"
    `);
  });

  it('computes a value with two readers once, inside one region', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(2, 3));
    const s = b.op('Sigmoid', [x]);
    b.output('y', b.op('Mul', [b.op('Sub', [b.scalar(1), s]), s]));
    expect(print(fuse(b.build()))).toMatchInlineSnapshot(`
      "graph net(%x: float32[2, 3]) {
        %fused/mul: float32[2, 3] = Fused(%x)
          graph fused(%x: float32[2, 3]) {
            %sigmoid: float32[2, 3] = Sigmoid(%x)
            %sub: float32[2, 3] = Sub(1, %sigmoid)
            %mul: float32[2, 3] = Mul(%sub, %sigmoid)
            return mul = %mul
          }
        return y = %fused/mul
      }"
    `);
  });

  it('stores what is read outside as well, and leaves an anchor alone whose own result is read elsewhere', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(1, 2, 3, 3));
    const [w, s] = [b.input('w', f32(2, 2, 1, 1)), b.input('s', f32(2))];
    const conv = b.op('Conv', [x, w]);
    const relu = b.op('Relu', [conv]);
    const scaled = b.op('Mul', [relu, b.scalar(2)]);
    b.output('stitched', b.op('Stitch', [conv, b.op('Squeeze', [w]), s]));
    b.output('norm', b.op('InstanceNormalization', [relu, s, s]));
    b.output('scaled', scaled);
    const fused = verify(fuse(b.build()));
    checkRegions(fused);
    expect(fused.nodes.map(n => n.op)).toEqual(['Conv', 'Fused', 'Squeeze', 'Stitch', 'InstanceNormalization']);
  });

  it('closes no cycle', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(4, 4));
    const e = b.op('Exp', [x]);
    const m = b.op('MatMul', [e, x]);
    b.output('y', b.op('Add', [e, m]));
    const fused = verify(fuse(b.build()));
    // Exp can't be in one region with Add, which waits for the product of its result; Add can be in the product's.
    expect(fused.nodes.map(n => n.op)).toEqual(['Exp', 'Fused']);
  });

  it('keeps the mask of a rectifier out of the forward pass', () => {
    const step = trainingStep(doubleBatch(network(2)), { steps: 3 });
    const fused = fuse(step.graph);
    const forward = fused.nodes.slice(
      0,
      fused.nodes.findIndex(n => n.name.includes('gradient/')),
    );
    expect(forward.flatMap(n => n.outputs).every(v => v.type.dtype === 'float32')).toBe(true);
  });

  it('can be switched off', () => {
    const b = new GraphBuilder('net');
    b.output('y', b.op('Neg', [b.op('Exp', [b.input('x', f32(2))])]));
    const graph = b.build();
    expect(arrange(graph, { fuse: false }).nodes.map(n => n.op)).toEqual(['Exp', 'Neg']);
    expect(arrange(graph).nodes.map(n => n.op)).toEqual(['Fused']);
  });

  it('changes no number, binds no more buffers than allowed, and is the same every time, on random graphs', async () => {
    const step = fc.record({
      op: fc.constantFrom('Add', 'Mul', 'Sub', 'Tanh', 'Relu', 'Greater', 'Stitch', 'MatMul', 'Scale', 'Row'),
      left: fc.nat(),
      right: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 4, maxLength: 40 }),
        fc.integer({ min: 3, max: 8 }),
        fc.array(fc.nat(), { maxLength: 3 }),
        async (steps, buffers, kept) => {
          const b = new GraphBuilder('random');
          const values: Value[] = [b.input('x', f32(3, 3)), b.input('y', f32(3, 3))];
          const row = b.input('row', f32(3));
          for (const { op, left, right } of steps) {
            const [x, y] = [
              values[values.length - 1 - (left % Math.min(4, values.length))],
              values[right % values.length],
            ];
            if (op === 'Tanh' || op === 'Relu') values.push(b.op(op, [x]));
            else if (op === 'Greater') values.push(b.op('Where', [b.op('Greater', [x, y]), x, b.scalar(0.5)]));
            else if (op === 'Stitch') values.push(b.op('Stitch', [x, y, row]));
            else if (op === 'Scale') values.push(b.op('Mul', [x, b.scalar(0.5)]));
            else if (op === 'Row') values.push(b.op('Add', [x, row]));
            else values.push(b.op(op, [x, y]));
          }
          const outputs = new Set([values[values.length - 1], ...kept.map(i => values[i % values.length])]);
          for (const [i, value] of [...outputs].entries()) b.output(`out${i}`, value);
          const graph = b.build();
          const fused = verify(fuse(graph, { buffers }));
          checkRegions(fused, buffers);
          expect(print(fuse(graph, { buffers }))).toBe(print(fused));
          expect(fused.nodes.length).toBeLessThanOrEqual(graph.nodes.length);
          const given = feeds(graph, 1);
          const [want, got] = [await runOrt(graph, given), await runOrt(fused, given)];
          for (const name of Object.keys(want)) expect(got[name].data).toEqual(want[name].data);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('changes no number of a training step', async () => {
    const step = trainingStep(doubleBatch(network(), { switches: 'sample' }), { steps: 3 });
    const specialized = specialize(step.graph, { N: 2 });
    const graph = invert(specialized, specialized.output(step.loss));
    const arranged = verify(arrange(graph, { step }));
    checkRegions(arranged);
    expect(arranged.nodes.length).toBeLessThan(0.85 * graph.nodes.length);
    const given = { ...feeds(graph, 2), ...Object.fromEntries(step.state) };
    const [want, got] = [await runOrt(graph, given), await runOrt(arranged, given)];
    for (const name of Object.keys(want))
      expect(relativeError(got[name].data, want[name].data), name).toBeLessThan(1e-6);
  });
});
