import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { symbol } from '../../../ir/dim.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { exportModel, exportOnnx } from '../../../ir/onnx/export.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { decodeModel, encodeModel } from '../../../ir/onnx/proto/codec.ts';
import type { ModelProto } from '../../../ir/onnx/proto/schema.ts';
import { print } from '../../../ir/print.ts';
import { float32, type Tensor, tensor } from '../../../ir/tensor.ts';
import type { DType } from '../../../ir/type.ts';
import { verify } from '../../../ir/verify.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';
import { imported, modelOf, node, value } from './model.ts';

const N = symbol('N');
const typed = (dtype: DType, ...shape: (number | typeof N)[]) => ({ dtype, shape });

function build(make: (b: GraphBuilder, x: Value) => Readonly<Record<string, Value>>): Graph {
  const b = new GraphBuilder('g');
  const x = b.input('x', typed('float32', N, 2, 4, 4));
  for (const [name, output] of Object.entries(make(b, x))) b.output(name, output);
  return b.build();
}

const exported = (graph: Graph): ModelProto => decodeModel(encodeModel(exportModel(graph)));
const opsetOf = (graph: Graph): [number, number] => {
  const { opsetImport, irVersion } = exported(graph);
  return [Number(opsetImport[0].version), Number(irVersion)];
};

describe('exporting', () => {
  test('asks for the lowest operator set from 17 on', () => {
    expect(opsetOf(build((b, x) => ({ y: b.op('Relu', [x]) })))).toEqual([17, 8]);
    expect(opsetOf(build((b, x) => ({ y: b.op('Mish', [x]) })))).toEqual([18, 8]);
    expect(opsetOf(build((b, x) => ({ y: b.op('Gelu', [x]) })))).toEqual([20, 9]);
    expect(opsetOf(build((b, x) => ({ y: b.op('Swish', [x]) })))).toEqual([24, 12]);
    const pool = (dilations: number[]) =>
      build((b, x) => ({ y: b.op('AveragePool', [x], { kernel_shape: [2, 2], dilations }) }));
    expect(opsetOf(pool([1, 1]))).toEqual([17, 8]);
    expect(opsetOf(pool([2, 2]))).toEqual([19, 9]);
  });

  test('writes the axes of reductions as that operator set has them', () => {
    const mean = (b: GraphBuilder, x: Value) => b.op('ReduceMean', [x, b.ints([2, 3])]);
    const [old] = exported(build((b, x) => ({ y: mean(b, x) }))).graph?.node ?? [];
    expect([old.input, old.attribute.map(a => a.name)]).toEqual([['x'], ['axes']]);
    const recent = exported(build((b, x) => ({ y: b.op('Mish', [mean(b, x)]) }))).graph?.node ?? [];
    expect([recent[0].input.length, recent[0].attribute]).toEqual([2, []]);
    const sum = exported(build((b, x) => ({ y: b.op('ReduceSum', [x, b.ints([2])]) }))).graph?.node ?? [];
    expect([sum[0].input.length, sum[0].attribute]).toEqual([2, []]);
  });

  test('says into how many parts a Split goes from 18 on', () => {
    const split = (b: GraphBuilder, x: Value) => b.ops('Split', [x], { axis: 1 }, { outputs: ['l', 'r'] });
    const attributes = (graph: Graph) => exported(graph).graph?.node[0].attribute.map(a => a.name);
    expect(attributes(build((b, x) => ({ y: split(b, x)[0] })))).toEqual(['axis']);
    expect(attributes(build((b, x) => ({ y: b.op('Mish', [split(b, x)[0]]) })))).toEqual(['axis', 'num_outputs']);
  });

  test('names outputs as the graph does, whatever computes them', async () => {
    const graph = build((b, x) => {
      const relu = b.op('Relu', [x], {}, { name: 'relu' });
      const taken = b.op('Neg', [relu], {}, { name: 'twice' });
      const constant = b.constant(float32([2], [1, 2]), 'two');
      return { first: relu, twice: relu, negated: taken, passed: x, constant, two: constant };
    });
    const model = exported(graph);
    expect(model.graph?.output.map(o => o.name)).toEqual(['first', 'twice', 'negated', 'passed', 'constant', 'two']);
    const x = float32(
      [1, 2, 4, 4],
      Float32Array.from({ length: 32 }, (_, i) => i - 16),
    );
    const results = await runInOnnxRuntime(graph, new Map([['x', x]]));
    const [first, twice, negated, passed, constant, two] = results.map(t => Array.from(t.data as Float32Array));
    expect(first).toEqual(Array.from(x.data, v => Math.max(v, 0)));
    expect(twice).toEqual(first);
    expect(negated.map(v => v + 0)).toEqual(first.map(v => 0 - v));
    expect(passed).toEqual(Array.from(x.data));
    expect([constant, two]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test('keeps dims symbolic and says the types of what is between', () => {
    const graph = build((b, x) => ({ y: b.op('Relu', [b.op('MaxPool', [x], { kernel_shape: [2, 2] })]) }));
    const { input, output, valueInfo } = exported(graph).graph!;
    const dims = [...input, ...valueInfo, ...output].map(v =>
      v.type?.tensorType?.shape?.dim.map(d => d.dimParam ?? Number(d.dimValue)),
    );
    expect(dims).toEqual([
      ['N', 2, 4, 4],
      ['N', 2, 3, 3],
      ['N', 2, 3, 3],
    ]);
  });

  test('gives back what a file said', () => {
    const base = modelOf({
      inputs: [value('x', ['N', 2, 4, 4])],
      constants: { w: float32([2, 1, 1], [1, 2]) },
      nodes: [],
    });
    const said = [{ key: 'k', value: 'v' }];
    const { graph } = imported({
      ...base,
      docString: 'model',
      domain: 'org.example',
      modelVersion: 7n,
      metadataProps: said,
      graph: {
        ...base.graph,
        docString: 'graph',
        metadataProps: said,
        input: [{ ...value('x', ['N', 2, 4, 4]), docString: 'input', metadataProps: said }],
        initializer: base.graph!.initializer!.map(t => ({ ...t, docString: 'weight', metadataProps: said })),
        valueInfo: [{ name: 'h', docString: 'hidden', metadataProps: said }],
        node: [{ ...node('Mul', 'x w -> h'), docString: 'node', metadataProps: said }, node('Relu', 'h -> y')],
        output: [{ name: 'y', docString: 'output' }],
      },
    });
    const model = exported(graph);
    expect(model).toMatchObject({
      docString: 'model',
      domain: 'org.example',
      modelVersion: 7n,
      metadataProps: said,
      producerName: 'suture',
    });
    expect(model.graph).toMatchObject({
      docString: 'graph',
      metadataProps: said,
      input: [{ name: 'x', docString: 'input', metadataProps: said }],
      initializer: [{ name: 'w', docString: 'weight', metadataProps: said }],
      valueInfo: [{ name: 'h', docString: 'hidden', metadataProps: said }],
      node: [{ name: 'Mul_h', docString: 'node', metadataProps: said }, { name: 'Relu_y' }],
      output: [{ name: 'y', docString: 'output' }],
    });
  });
});

describe('our own operators', () => {
  const stitched = () =>
    build((b, x) => {
      const y = b.input('y', typed('float32', N, 3, 4, 4));
      const [weight, bias] = [b.input('weight', typed('float32', 2, 3)), b.input('bias', typed('float32', 2))];
      const weights = b.input('weights', typed('float32', 2));
      const one = b.op('Stitch', [y, weight, bias]);
      const other = b.op('Stitch', [b.op('Relu', [y]), weight, bias]);
      const chosen = b.op('Switch', [weights, x, one]);
      const loss = b.op('FeatureLoss', [chosen, other], { normalize: 0 });
      return { chosen, loss, scaled: b.op('FeatureLoss', [chosen, other]) };
    });

  test('become functions with bodies, one for each body that differs', () => {
    const model = exported(stitched());
    expect(model.functions.map(fn => [fn.domain, fn.name])).toEqual([
      ['suture', 'Stitch'],
      ['suture', 'Switch'],
      ['suture', 'FeatureLoss'],
      ['suture', 'FeatureLoss.2'],
    ]);
    expect(model.graph?.node.map(n => n.opType)).toEqual([
      'Stitch',
      'Relu',
      'Stitch',
      'Switch',
      'FeatureLoss',
      'FeatureLoss.2',
    ]);
    expect(model.opsetImport.map(o => [o.domain, o.version])).toEqual([
      ['', 17n],
      ['suture', 1n],
    ]);
  });

  test('are operators again after import', () => {
    const once = verify(importOnnx(exportOnnx(stitched())).graph);
    expect(once.nodes.map(n => n.op)).toEqual(stitched().nodes.map(n => n.op));
    expect(print(importOnnx(exportOnnx(once)).graph)).toBe(print(once));
  });

  test('mean in ONNX Runtime what their bodies say', async () => {
    const feeds = new Map<string, Tensor>([
      ['x', float32([1, 2, 4, 4], new Float32Array(32).fill(5))],
      ['y', float32([1, 3, 4, 4], new Float32Array(48).fill(1))],
      ['weight', float32([2, 3], [1, 2, 3, 0, 0, 1])],
      ['bias', float32([2], [0.5, -0.5])],
      ['weights', float32([2], [0.25, 0.75])],
    ]);
    const [chosen, loss] = await runInOnnxRuntime(stitched(), feeds);
    expect(chosen.data[0]).toBeCloseTo(0.25 * 5 + 0.75 * 6.5, 5);
    expect(chosen.data[16]).toBeCloseTo(0.25 * 5 + 0.75 * 0.5, 5);
    expect(loss.data[0]).toBeCloseTo(((6.125 - 6.5) ** 2 + (1.625 - 0.5) ** 2) / 2, 5);
  });

  test('fused regions are written as what they compute', () => {
    const inner = new GraphBuilder('body');
    const a = inner.input('a', typed('float32', N, 2, 4, 4));
    inner.output('o', inner.op('Relu', [inner.op('Neg', [a])]));
    const graph = build((b, x) => ({ y: b.op('Fused', [x], { body: inner.build() }) }));
    expect(exported(graph).graph?.node.map(n => n.opType)).toEqual(['Neg', 'Relu']);
    expect(exported(graph).functions).toEqual([]);
  });
});

test('constants of every dtype go through a file', () => {
  for (const dtype of ['float16', 'bfloat16', 'int64', 'uint8', 'bool', 'float64'] as const) {
    const b = new GraphBuilder('g');
    const data = dtype === 'int64' ? BigInt64Array.of(1n, 0n) : dtype === 'float64' ? Float64Array.of(1, 0) : undefined;
    const bits = dtype === 'uint8' || dtype === 'bool' ? Uint8Array.of(1, 0) : Uint16Array.of(1, 0);
    b.output('y', b.op('Identity', [b.constant(tensor(dtype, [2], data ?? bits), 'c')]));
    const again = importOnnx(exportOnnx(b.build())).graph;
    expect(again.outputs[0].value.type).toEqual(typed(dtype, 2));
    expect(again.constants()[0].constant).toEqual(tensor(dtype, [2], data ?? bits));
  }
});

describe('outputs that are no result of a node', () => {
  test('are copied where they need another name, and run', async () => {
    const graph = build((b, x) => {
      const r = b.op('Relu', [x]);
      return { y: x, r, again: r, c: b.constant(float32([1], [3]), 'k') };
    });
    const data = float32(
      [1, 2, 4, 4],
      Array.from({ length: 32 }, (_, i) => i - 16),
    );
    const [y, r, again, c] = await runInOnnxRuntime(graph, new Map([['x', data]]));
    expect(y.data).toEqual(data.data);
    expect(again.data).toEqual(r.data);
    expect(c.data).toEqual(Float32Array.of(3));
  });

  test('cannot have the name of an input that they are not', () => {
    const graph = build((b, x) => ({ x: b.op('Relu', [x]) }));
    expect(() => exportOnnx(graph)).toThrow(/has an output 'x', which is the name of another input or output/);
    expect(() => exportOnnx(build((_, x) => ({ x })))).not.toThrow();
  });
});
