import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { symbol } from '../../../ir/dim.ts';
import { SutureError } from '../../../ir/errors.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { print } from '../../../ir/print.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import { runOrt } from '../ort.ts';

const N = symbol('N');
const f32 = (...shape: (number | typeof N)[]) => ({ dtype: 'float32' as const, shape });

/** The lines that differentiation added. */
function added(graph: Graph, loss: string, parameters: readonly string[]): string {
  const { graph: result } = differentiate(graph, { loss, parameters });
  const old = new Set(print(verify(graph)).split('\n'));
  return print(verify(result))
    .split('\n')
    .filter(line => !old.has(line))
    .join('\n');
}

describe('differentiation', () => {
  it('turns a frozen convolution and a rectifier around, reading only the sign of the output', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(N, 2, 8, 8));
    const w = b.constant(float32([4, 2, 3, 3], new Float32Array(72)), 'w');
    const y = b.op('LeakyRelu', [b.op('Conv', [x, w], { pads: [1, 1, 1, 1] })]);
    b.output('loss', b.op('ReduceSum', [y], { keepdims: 0 }));
    expect(added(b.build(), 'loss', ['x'])).toMatchInlineSnapshot(`
      "  %gradient/reducesum/shape: int64[4] = Shape(%leakyrelu)
        %gradient/reducesum/expand: float32[N, 4, 8, 8] = Expand(1, %gradient/reducesum/shape)
        %gradient/leakyrelu/greater: bool[N, 4, 8, 8] = Greater(%leakyrelu, 0)
        %gradient/leakyrelu/mul: float32[N, 4, 8, 8] = Mul(%gradient/reducesum/expand, 0.01)
        %gradient/leakyrelu/where: float32[N, 4, 8, 8] = Where(%gradient/leakyrelu/greater, %gradient/reducesum/expand, %gradient/leakyrelu/mul)
        %gradient/conv/conv: float32[N, 2, 8, 8] = Conv(%gradient/leakyrelu/where, $gradient/conv/w/flipped: float32[2, 4, 3, 3]) {dilations = [1, 1], pads = [1, 1, 1, 1], strides = [1, 1]}
        return loss = %reducesum, gradient/x = %gradient/conv/conv"
    `);
  });

  it('gives a strided convolution back what the stride dropped', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(N, 2, 8, 9));
    const w = b.constant(float32([4, 2, 3, 3], new Float32Array(72)), 'w');
    const y = b.op('Conv', [x, w], { pads: [1, 1, 1, 1], strides: [2, 2] });
    b.output('loss', b.op('ReduceSum', [y], { keepdims: 0 }));
    expect(added(b.build(), 'loss', ['x'])).toMatchInlineSnapshot(`
      "  %gradient/reducesum/shape: int64[4] = Shape(%conv)
        %gradient/reducesum/expand: float32[N, 4, 4, 5] = Expand(1, %gradient/reducesum/shape)
        %gradient/conv/convtranspose: float32[N, 2, 8, 9] = ConvTranspose(%gradient/reducesum/expand, $w: float32[4, 2, 3, 3]) {dilations = [1, 1], pads = [1, 1, 1, 1], strides = [2, 2], output_padding = [1, 0]}
        return loss = %reducesum, gradient/x = %gradient/conv/convtranspose"
    `);
  });

  it('emits nothing upstream of the parameters, for frozen operands, or for what the loss does not read', () => {
    const b = new GraphBuilder('net');
    const [x, p, q] = [b.input('x', f32(N, 3)), b.input('p', f32(3)), b.input('q', f32(3))];
    const upstream = b.op('Exp', [x]);
    const scaled = b.op('Mul', [upstream, p]);
    b.output('aside', b.op('Tanh', [b.op('Mul', [scaled, q])]));
    b.output('loss', b.op('ReduceSum', [b.op('Add', [scaled, q])], { keepdims: 0 }));
    expect(added(b.build(), 'loss', ['p'])).toMatchInlineSnapshot(`
      "  %gradient/reducesum/shape: int64[2] = Shape(%add)
        %gradient/reducesum/expand: float32[N, 3] = Expand(1, %gradient/reducesum/shape)
        %gradient/mul/mul: float32[N, 3] = Mul(%gradient/reducesum/expand, %exp)
        %gradient/mul/reducesum: float32[3] = ReduceSum(%gradient/mul/mul, [0]) {keepdims = 0}
        return aside = %tanh, loss = %reducesum, gradient/p = %gradient/mul/reducesum"
    `);
  });

  it('gives zeros for a parameter that the loss does not depend on', async () => {
    const b = new GraphBuilder('net');
    const [p, q] = [b.input('p', f32(2)), b.input('q', f32(3))];
    b.output(
      'loss',
      b.op('ReduceSum', [b.op('Mul', [p, b.op('Cast', [b.op('Greater', [p, p])], { to: 'float32' })])], {
        keepdims: 0,
      }),
    );
    b.output('other', b.op('Exp', [q]));
    const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters: ['q', 'p'] });
    const results = await runOrt(verify(graph), { p: float32([2], [1, 2]), q: float32([3], [1, 2, 3]) });
    expect([...results[gradients.get('q')!].data]).toEqual([0, 0, 0]);
  });

  it('sums over all readers of a value', async () => {
    const b = new GraphBuilder('net');
    const p = b.input('p', f32(2));
    const terms: Value[] = [b.op('Exp', [p]), b.op('Mul', [p, p]), p];
    b.output('loss', b.op('ReduceSum', [terms.reduce((x, y) => b.op('Add', [x, y]))], { keepdims: 0 }));
    const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters: ['p'] });
    const { data } = (await runOrt(verify(graph), { p: float32([2], [0, 1]) }))[gradients.get('p')!];
    expect(data[0]).toBeCloseTo(2, 5);
    expect(data[1]).toBeCloseTo(Math.E + 3, 5);
  });

  it('keeps the batch symbolic through reshapes and broadcasts', () => {
    const b = new GraphBuilder('net');
    const [x, p] = [b.input('x', f32(N, 4, 6)), b.input('p', f32(4, 1))];
    const y = b.op('Softmax', [b.op('Reshape', [b.op('Mul', [x, p]), b.ints([0, 24])])]);
    b.output('loss', b.op('ReduceMean', [b.op('Mul', [y, y])], { keepdims: 0 }));
    const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters: ['p', 'x'] });
    verify(graph);
    expect(graph.output(gradients.get('x')!).type.shape.map(String)).toEqual(['N', '4', '6']);
    expect(graph.output(gradients.get('p')!).type.shape).toEqual([4, 1]);
  });

  it('keeps the batch symbolic through interpolations by scales and to sizes', () => {
    const b = new GraphBuilder('net');
    const p = b.input('p', f32(N, 4, 6, 6));
    const wide = b.op('Resize', [p, undefined, b.constant(float32([4], [1, 1, 2, 2]))], { mode: 'linear' });
    const sizes = b.op('Concat', [b.op('Shape', [p], { end: 2 }), b.ints([5, 7])], { axis: 0 });
    const narrow = b.op('Resize', [wide, undefined, undefined, sizes], { mode: 'linear' });
    b.output('loss', b.op('ReduceSum', [b.op('Mul', [narrow, narrow])], { keepdims: 0 }));
    const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters: ['p'] });
    verify(graph);
    expect(graph.output(gradients.get('p')!).type.shape.map(String)).toEqual(['N', '4', '6', '6']);
  });

  it('names every operator without a rule at once, each with the way through it', () => {
    const b = new GraphBuilder('net');
    const p = b.input('p', f32(2, 4, 5, 5));
    const axis = b.constant(int64s([1]));
    const first = b.op('CumProd', [b.op('Exp', [p]), axis], {}, { name: 'product1' });
    const second = b.op('CumProd', [b.op('Tanh', [first]), axis], {}, { name: 'product2' });
    b.op('CumProd', [p, axis], {}, { name: 'unused' });
    b.output('loss', b.op('ReduceSum', [second], { keepdims: 0 }));
    let error: unknown;
    try {
      differentiate(b.build(), { loss: 'loss', parameters: ['p'] });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SutureError);
    const { code, details } = error as SutureError;
    expect(code).toBe('adjoint-missing');
    expect(details).toEqual([
      "CumProd 'product1' has no adjoint rule (p → exp → product1 → tanh → product2 → reducesum)",
      "CumProd 'product2' has no adjoint rule (p → exp → … → tanh → product2 → reducesum)",
    ]);
  });

  it('refuses a loss that is no scalar', () => {
    const b = new GraphBuilder('net');
    b.output('loss', b.op('Exp', [b.input('p', f32(2))]));
    expect(() => differentiate(b.build(), { loss: 'loss', parameters: ['p'] })).toThrow('must be a float scalar');
  });
});
