import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../ir/builder.ts';
import { symbol } from '../../ir/dim.ts';
import { SutureError } from '../../ir/errors.ts';
import { type AnyNode, inputAt, Value } from '../../ir/graph.ts';
import { rewrite } from '../../ir/rewrite.ts';
import { verify } from '../../ir/verify.ts';

const feature = { dtype: 'float32' as const, shape: [symbol('N'), 4, 8, 8] };

function chain() {
  const b = new GraphBuilder('chain');
  const x = b.input('x', feature);
  const relu = b.op('Relu', [x], {}, { name: 'relu' });
  b.output('y', b.op('Add', [relu, x], {}, { name: 'add' }));
  return b.build();
}

const problemsOf = (make: () => unknown): readonly string[] => {
  try {
    make();
  } catch (error) {
    if (error instanceof SutureError && error.code === 'graph-invalid') return error.details;
    throw error;
  }
  return [];
};

describe('verify', () => {
  it('accepts what the builder builds', () => {
    expect(problemsOf(() => verify(chain()))).toEqual([]);
  });

  it('finds a value that is read before it is computed', () => {
    const graph = chain();
    expect(problemsOf(() => verify(graph.with({ nodes: [...graph.nodes].reverse() })))).toContain(
      "Add 'add' reads 'relu' before it is computed",
    );
  });

  it('finds names that stand twice', () => {
    const graph = chain();
    const [relu, add] = graph.nodes;
    const twin = new Value('x', relu.outputs[0].type);
    const nodes = [
      { ...relu, outputs: [twin] },
      { ...add, name: 'relu', inputs: [twin, graph.inputs[0]] },
    ] as AnyNode[];
    expect(problemsOf(() => verify(graph.with({ nodes })))).toEqual([
      "two values are named 'x'",
      "two nodes are named 'relu'",
    ]);
  });

  it('finds an output under the name of an input, unless it is that input', () => {
    const graph = chain();
    const [{ value }] = graph.outputs;
    expect(problemsOf(() => verify(graph.with({ outputs: [{ name: 'x', value }] })))).toEqual([
      "the output 'x' has the name of an input that it is not",
    ]);
    expect(problemsOf(() => verify(graph.with({ outputs: [{ name: 'x', value: graph.inputs[0] }] })))).toEqual([]);
  });

  it('finds a type that is not what the type rule gives', () => {
    const graph = chain();
    const wrong = { ...graph.nodes[1], outputs: [new Value('add', { dtype: 'float32', shape: [1] })] } as AnyNode;
    const outputs = [{ name: 'y', value: wrong.outputs[0] }];
    expect(problemsOf(() => verify(graph.with({ nodes: [graph.nodes[0], wrong], outputs })))).toEqual([
      "Add 'add' gives float32[N, 4, 8, 8], but 'add' is float32[1]",
    ]);
  });

  it('finds an attribute that the operator does not have', () => {
    const graph = chain();
    const nodes = [{ ...graph.nodes[0], attributes: { slope: 1 } } as AnyNode, graph.nodes[1]];
    expect(problemsOf(() => verify(graph.with({ nodes })))).toEqual(["Relu 'relu' has an unknown attribute 'slope'"]);
  });

  it('finds an output that is never computed', () => {
    const graph = chain();
    const outputs = [{ name: 'y', value: new Value('ghost', feature) }];
    expect(problemsOf(() => verify(graph.with({ outputs })))).toEqual(["the output 'y' is never computed"]);
  });
});

describe('the builder', () => {
  it('names the operator, the node and the problem when types do not fit', () => {
    const b = new GraphBuilder('g');
    const x = b.input('x', feature);
    const w = b.input('w', { dtype: 'float32', shape: [8, 5, 3, 3] });
    expect(() => b.op('Conv', [x, w], {}, { name: 'stem/conv' })).toThrow(
      "Conv 'stem/conv': channels of the input and of the weight: 4 and 5 differ.",
    );
  });

  it('rejects misspelt attributes and missing operands at compile time', () => {
    const b = new GraphBuilder('g');
    const x = b.input('x', feature);
    // @ts-expect-error: the weight is missing
    expect(() => b.op('Conv', [x])).toThrow('the input W is missing');
    // @ts-expect-error: Concat needs its axis
    expect(() => b.op('Concat', [x])).toThrow("needs the attribute 'axis'");
    // @ts-expect-error: no such attribute; it is dropped, so the graph stays valid
    expect(b.op('LeakyRelu', [x], { slope: 0.1 }).type).toEqual(feature);
  });
});

describe('rewrite', () => {
  it('returns the same graph when nothing changes', () => {
    const graph = chain();
    expect(rewrite(graph, () => undefined)).toBe(graph);
  });

  it('shares what did not change, and infers anew what did', () => {
    const graph = chain();
    const changed = verify(
      rewrite(graph, (node, to) =>
        node.op === 'Add' ? to.op('Mul', [inputAt(node, 0), inputAt(node, 1)]) : undefined,
      ),
    );
    expect(changed.nodes[0]).toBe(graph.nodes[0]);
    expect(changed.nodes.map(n => n.op)).toEqual(['Relu', 'Mul']);
    const [x] = graph.inputs;
    const bound = rewrite(graph, () => undefined, {
      inputs: new Map([['x', new Value('x', { dtype: 'float32', shape: [2, 4, 8, 8] })]]),
    });
    expect(verify(bound).output('y').type.shape).toEqual([2, 4, 8, 8]);
    expect(x.type.shape[0]).toEqual(symbol('N'));
  });
});
