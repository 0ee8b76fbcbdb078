import { describe, expect, test } from 'vitest';
import { float32, GraphBuilder, int64s, print, symbol, verify } from '../../ir/index.ts';
import { specialize } from '../../passes/specialize.ts';

function flattened() {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 4, symbol('H')] });
  const batch = b.op('Gather', [b.op('Shape', [x]), b.ints([0])]);
  b.output('y', b.op('Reshape', [b.op('Relu', [x]), b.op('Concat', [batch, b.ints([-1])], { axis: 0 })]));
  return b.build();
}

describe('specialize', () => {
  test('binds symbols, and shape arithmetic becomes a constant', () => {
    const graph = verify(specialize(flattened(), { N: 2, H: 5 }));
    expect(print(graph)).toContain('Reshape(%relu, [2, -1])');
    expect(graph.output('y').type.shape).toEqual([2, 20]);
  });

  test('binds an input to a constant', () => {
    const graph = verify(specialize(flattened(), {}, new Map([['x', float32([1, 4, 2], new Float32Array(8))]])));
    expect(graph.inputs).toEqual([]);
    expect(graph.output('y').type.shape).toEqual([1, 8]);
  });

  test('returns the same graph when there is nothing to bind', () => {
    const graph = specialize(flattened(), { N: 2, H: 5 });
    expect(specialize(graph, { N: 3 })).toBe(graph);
  });

  test('names the first value whose shape stays unknown', () => {
    expect(() => specialize(flattened(), { N: 2 })).toThrow(
      /shape of 'x' is not known before the run: float32\[2, 4, H\]/,
    );
  });

  test('refuses a size that is no positive integer, and a constant that does not fit', () => {
    expect(() => specialize(flattened(), { N: 0 })).toThrow(/'N' was bound to 0/);
    expect(() => specialize(flattened(), { N: 2 }, new Map([['x', int64s([1])]]))).toThrow(
      /int64\[1\] was given for it/,
    );
  });
});
