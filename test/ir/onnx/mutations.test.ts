/**
 * Networks of the fixtures, and one of control flow, with what is written in them changed: whatever comes of it, it is a graph that
 * verifies, before and after `simplify`, and can be written, or one error of the catalogue with one sentence.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, SutureError } from '../../../ir/errors.ts';
import { exportOnnx } from '../../../ir/onnx/export.ts';
import { importModel } from '../../../ir/onnx/import.ts';
import { decodeModel, encodeModel } from '../../../ir/onnx/proto/codec.ts';
import { AttributeType, type MessageInit } from '../../../ir/onnx/proto/schema.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { simplify } from '../../../passes/simplify.ts';
import { type Model, modelOf, node, value } from './model.ts';

type Nodes = MessageInit<'NodeProto'>[];
type Mutation = (model: Model, random: (below: number) => number) => Model;

/** How often the property is tried; more by hand, with other models each time: `SEED=random MUTATIONS=20000 npx vitest run …`. */
const RUNS = Number(process.env.MUTATIONS ?? 100);

/** Operators that the fixtures have none of, each on constants or on the input, so that type rules, upgrades and folding are met. */
const nodes = [
  node('Slice', 'x starts ends axes -> sliced'),
  node('Pad', 'small pads -> padded'),
  node('Conv', 'padded small -> convolved', {
    kernel_shape: [3, 3],
    strides: [1, 1],
    pads: [1, 1, 1, 1],
    dilations: [1, 1],
  }),
  node('MaxPool', 'padded -> pooled', { kernel_shape: [2, 2], strides: [2, 2] }),
  node('LRN', 'padded -> lrn', { size: 3 }),
  node('Resize', 'small _ scales -> resized', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }),
  node('TopK', 'small k -> top at', { axis: 1 }),
  node('Gather', 'small indices -> gathered', { axis: 1 }),
  node('ReduceSum', 'small axes -> reduced', { keepdims: 0 }),
  node('Tile', 'bias k -> tiled'),
  node('Split', 'small -> left right', { axis: 1, num_outputs: 2 }),
  node('Concat', 'left right -> joined', { axis: 1 }),
  node('DepthToSpace', 'small -> deep', { blocksize: 2 }),
  node('SpaceToDepth', 'x -> wide', { blocksize: 2 }),
  node('Shape', 'x -> size'),
  node('Gather', 'size k -> width'),
  node('Mul', 'width k -> product'),
  node('Range', 'from to by -> range'),
  node('Constant', '-> from', { value_int: 0 }),
  node('Constant', '-> to', { value_int: 9 }),
  node('Constant', '-> by', { value_int: 2 }),
  node('ConstantOfShape', 'k -> zeros'),
  node('OneHot', 'indices k two -> hot'),
  node('Constant', '-> two', { value: float32([2], [0, 1]) }),
  node('CumSum', 'small one -> sums'),
  node('Squeeze', 'k -> one'),
  node('Reshape', 'x shape -> flat'),
  node('Softmax', 'small -> soft', { axis: 1 }),
  node('LayerNormalization', 'small tenth -> normal', { axis: 3 }),
  node('Constant', '-> tenth', { value: float32([3], [1, 2, 3]) }),
  node('InstanceNormalization', 'x bias bias -> instance'),
  node('BatchNormalization', 'small bias bias bias bias -> batch'),
  node('Einsum', 'small small -> summed', { equation: 'abij,abjk->abik' }),
  node('EyeLike', 'square -> eye'),
  node('Constant', '-> square', { value: float32([2, 2], [1, 2, 3, 4]) }),
  node('HannWindow', 'one -> window'),
  node('GridSample', 'x grid -> sampled'),
  node('Constant', '-> grid', { value: float32([1, 2, 2, 2], new Float32Array(8)) }),
  node('ScatterND', 'bias places updates -> scattered'),
  node('Constant', '-> places', { value: int64s([0]) }),
  node('GatherND', 'small places -> nd'),
  node('Constant', '-> updates', { value: float32([], [1]) }),
  node('Expand', 'one_float starts -> expanded'),
  node('Where', 'condition bias bias -> chosen'),
  node('Greater', 'bias one_float -> condition'),
  node('Constant', '-> one_float', { value_float: { float: 1 } }),
  node('Transpose', 'small -> turned', { perm: [3, 1, 0, 2] }),
  node('ConvTranspose', 'x wt -> grown', { strides: [2, 2], group: 2, output_padding: [1, 1] }),
  node('Clip', 'small one_float one_float -> clipped'),
  node('NonZero', 'small -> found'),
  node('ArgMax', 'small -> best', { axis: 1 }),
  node('LSTM', 'sequence w r -> hidden', { hidden_size: 2 }),
  node('Constant', '-> sequence', { value: float32([3, 1, 2], new Float32Array(6)) }),
  node('Constant', '-> w', { value: float32([1, 8, 2], new Float32Array(16)) }),
  node('Constant', '-> r', { value: float32([1, 8, 2], new Float32Array(16)) }),
];

const outputs =
  'sliced convolved pooled lrn resized top at gathered reduced tiled joined deep wide product range zeros hot ' +
  'sums flat soft normal instance batch summed nd eye window sampled scattered expanded chosen turned grown ' +
  'clipped found best hidden';

const constants = {
  axes: int64s([2, 3]),
  shape: int64s([0, 4, -1]),
  pads: int64s([0, 0, 1, 1, 0, 0, 1, 1]),
  starts: int64s([1, 1]),
  ends: int64s([5, 7]),
  scales: float32([4], [1, 1, 2, 2]),
  k: int64s([3]),
  small: float32(
    [2, 4, 3, 3],
    Float32Array.from({ length: 72 }, (_, i) => i / 9 - 4),
  ),
  wt: float32([4, 2, 3, 3], new Float32Array(72)),
  bias: float32([4], [1, 2, 3, 4]),
  indices: int64s([0, 2]),
};

/** Every sixth of the outputs, from the `first`, with what it needs: a fault shows in a small model as in a large one. */
function part(first: number): Model {
  const chosen = outputs.split(' ').filter((_, i) => i % 6 === first);
  const needed = new Set(chosen);
  for (const name of needed) {
    for (const input of nodes.find(n => n.output?.includes(name))?.input ?? []) needed.add(input);
  }
  return modelOf({
    opset: 18,
    inputs: [value('x', ['N', 4, 8, 8])],
    constants: Object.fromEntries(Object.entries(constants).filter(([name]) => needed.has(name))),
    nodes: nodes.filter(n => n.output?.some(name => needed.has(name))),
    outputs: chosen,
  });
}

const parts = [0, 1, 2, 3, 4, 5].map(part);

const fixtures = ['view_13', 'resize_11', 'mixed_17', 'fixed_batch_13'].map(
  name => decodeModel(readFileSync(new URL(`../../../fixtures/models/${name}.onnx`, import.meta.url))) as Model,
);

const numbers = [0, -1, 1, 2, 3, -5, 7, 63, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 53, 2 ** 62];
const reals = [0, -0, 1, -1, 1e-30, 1e30, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

const changed = (model: Model, change: (nodes: Nodes, names: readonly string[]) => Nodes): Model => {
  const nodes = (model.graph?.node ?? []) as Nodes;
  const names = [...(model.graph?.input ?? []), ...(model.graph?.initializer ?? [])].map(named => named.name ?? '');
  return {
    ...model,
    graph: { ...model.graph, node: change(nodes, [...names, ...nodes.flatMap(n => n.output ?? [])]) },
  };
};

/** One node changed by `change`. */
const oneNode =
  (
    change: (node: Nodes[number], random: (below: number) => number, names: readonly string[]) => Nodes[number],
  ): Mutation =>
  (model, random) =>
    changed(model, (nodes, names) => {
      const at = random(nodes.length);
      return nodes.map((n, i) => (i === at ? change(n, random, names) : n));
    });

const oneOf = <T>(list: readonly T[], random: (below: number) => number): T => list[random(list.length)];

/** An element of a list replaced. */
const replaced = <T>(list: readonly T[], at: number, by: T): T[] => list.map((v, i) => (i === at ? by : v));

const mutations: readonly Mutation[] = [
  oneNode((n, random) => ({ ...n, input: (n.input ?? []).filter((_, i, all) => i !== random(all.length)) })),
  oneNode((n, random) => ({ ...n, input: replaced(n.input ?? [], random(n.input?.length || 1), '') })),
  oneNode((n, random) => ({ ...n, input: [...(n.input ?? []), oneOf(n.input ?? [''], random) ?? ''] })),
  oneNode((n, random, names) => ({
    ...n,
    input: replaced(n.input ?? [], random(n.input?.length || 1), oneOf(names, random)),
  })),
  oneNode((n, random, names) => ({
    ...n,
    input: replaced(n.input ?? [], random(n.input?.length || 1), oneOf(names, random)),
  })),
  oneNode((n, random) => ({ ...n, output: replaced(n.output ?? [], random(n.output?.length || 1), '') })),
  oneNode((n, random) => ({
    ...n,
    output: [...(n.output ?? []), ...Array.from({ length: random(4) }, (_, i) => `extra${i}`)],
  })),
  oneNode((n, random) => ({ ...n, attribute: (n.attribute ?? []).filter((_, i, all) => i !== random(all.length)) })),
  // Twice as often as others: attributes are what type rules calculate with.
  ...Array.from({ length: 3 }, () =>
    oneNode((n, random) => {
      const attributes = n.attribute ?? [];
      const at = random(attributes.length || 1);
      return {
        ...n,
        attribute: attributes.map((a, i) => {
          if (i !== at) return a;
          if (a.type === AttributeType.INTS) {
            const ints = [...(a.ints ?? [])];
            if (random(4) === 0) return { ...a, ints: random(2) ? ints.slice(1) : [...ints, 1n] };
            return { ...a, ints: replaced(ints, random(ints.length || 1), BigInt(oneOf(numbers, random))) };
          }
          if (a.type === AttributeType.INT) return { ...a, i: BigInt(oneOf(numbers, random)) };
          if (a.type === AttributeType.FLOAT) return { ...a, f: oneOf(reals, random) };
          return { ...a, s: Buffer.from(oneOf(['', 'SAME_UPPER', 'linear', 'cubic', '__proto__'], random)) };
        }),
      };
    }),
  ),
  oneNode((n, random) => ({
    ...n,
    opType: oneOf(['Concat', 'Max', 'Reshape', 'Expand', 'Add', 'Resize', 'Squeeze', 'Sum'], random),
  })),
  // Elements of a constant.
  ...Array.from(
    { length: 3 },
    (): Mutation => (model, random) => {
      const tensors = model.graph?.initializer ?? [];
      const which = random(tensors.length || 1);
      return {
        ...model,
        graph: {
          ...model.graph,
          initializer: tensors.map((t, i) => {
            if (i !== which || !t.rawData || t.rawData.length > 4096) return t;
            const bytes = Uint8Array.from(t.rawData);
            const view = new DataView(bytes.buffer);
            const width = t.dataType === 7 ? 8 : 4;
            const place = width * random(Math.floor(bytes.length / width) || 1);
            if (place + width > bytes.length) return t;
            if (width === 8) view.setBigInt64(place, BigInt(oneOf(numbers, random)), true);
            else view.setFloat32(place, oneOf(reals, random), true);
            return { ...t, rawData: bytes };
          }),
        },
      };
    },
  ),
  // The shape of a constant, of as many elements.
  (model, random) => {
    const tensors = model.graph?.initializer ?? [];
    const which = random(tensors.length || 1);
    const reshape = (dims: readonly bigint[]): bigint[] =>
      oneOf([[...dims, 1n], [1n, ...dims], [dims.reduce((a, b) => a * b, 1n)], [...dims].reverse()], random);
    const initializer = tensors.map((t, i) => (i === which ? { ...t, dims: reshape(t.dims ?? []) } : t));
    return { ...model, graph: { ...model.graph, initializer } };
  },
  // The type of an input.
  (model, random) => {
    const input = (model.graph?.input ?? []).map(v => {
      const dim = (v.type?.tensorType?.shape?.dim ?? []).map(d =>
        random(3) > 0
          ? d
          : random(2)
            ? { dimValue: BigInt(oneOf(numbers, random)) }
            : { dimParam: oneOf(['N', 'constructor', '2·N', '5', '__proto__', '\u001b[2J'], random) },
      );
      const shape = { dim: random(4) === 0 ? dim.slice(1) : dim };
      return {
        ...v,
        type: {
          tensorType: { elemType: random(3) === 0 ? 1 + random(16) : (v.type?.tensorType?.elemType ?? 1), shape },
        },
      };
    });
    return { ...model, graph: { ...model.graph, input } };
  },
  (model, random) => ({ ...model, opsetImport: [{ domain: '', version: BigInt(5 + random(22)) }] }),
  // A cycle, or an order that is none.
  (model, random) =>
    changed(model, nodes => {
      const [a, b] = [random(nodes.length), random(nodes.length)];
      return nodes.map((n, i) =>
        i === a ? { ...n, input: replaced(n.input ?? [], 0, nodes[b].output?.[0] ?? '') } : n,
      );
    }),
];

const mutated = fc
  .tuple(
    fc.constantFrom(...parts, ...fixtures),
    fc.array(fc.nat(mutations.length - 1), { minLength: 1, maxLength: 3 }),
    fc.infiniteStream(fc.nat(2 ** 20)),
  )
  .map(([model, chosen, stream]) => {
    const random = (below: number): number => stream.next().value % Math.max(1, below);
    return encodeModel(chosen.reduce((current, which) => mutations[which](current, random), model));
  });

test('changed models', () => {
  let [read, refused] = [0, 0];
  fc.assert(
    fc.property(mutated, bytes => {
      try {
        const { graph } = importModel(decodeModel(bytes));
        read++;
        exportOnnx(verify(graph));
        exportOnnx(verify(simplify(graph)));
      } catch (error) {
        if (!(error instanceof SutureError)) throw error;
        expect(error.message).toMatch(/\.$/);
        expect(error.code).not.toBe('graph-invalid');
        for (const line of [error.message, ...error.details]) expect(printable(line, line.length)).toBe(line);
        refused++;
      }
    }),
    { numRuns: RUNS },
  );
  expect(Math.min(read, refused)).toBeGreaterThan(RUNS / 20);
});

test('the models that are changed are read', () => {
  for (const model of parts) {
    const graph = verify(importModel(decodeModel(encodeModel(model))).graph);
    expect(() => exportOnnx(verify(simplify(graph)))).not.toThrow();
  }
});
