/** Normalisations over rows, and their adjoints. Means first, then the mean of the squared deviations: two passes, no cancellation. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { bindEpilogue, ModuleBuilder, single } from './module.ts';
import { type RowShape, Rows } from './rows.ts';
import { around, sizesOf } from './shape.ts';
import { f32, u32 } from './wgsl.ts';

/** Which element of scale and bias an element of a row takes, as a WGSL expression of `row` and the position `k`. */
type ParameterIndex = (k: string) => string;

interface RowNormalization {
  readonly label: string;
  readonly shape: RowShape;
  readonly epsilon: number;
  readonly parameter: ParameterIndex;
  /** Whether the mean is taken off (not so for RMS normalisation). */
  readonly centred: boolean;
  readonly bias: boolean;
  readonly ownInputs: number;
  readonly channel: (k: string) => string;
  readonly batch: (k: string) => string;
  /** Outputs beside the normalised one: the mean and the inverse deviation of each row. */
  readonly statistics?: number;
}

function rowNormalization(spec: RowNormalization, context: KernelContext): KernelPlan {
  const { shape, epsilon, parameter, centred, statistics = 0 } = spec;
  const module = new ModuleBuilder();
  module.bind('x', { kind: 'input', index: 0 });
  module.bind('scale', { kind: 'input', index: 1 });
  if (spec.bias) module.bind('bias', { kind: 'input', index: 2 });
  const store = bindEpilogue(module, context, spec.ownInputs);
  module.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  if (statistics > 0) module.bind('means', { kind: 'output', index: 1 }, 'f32', 'read_write');
  if (statistics > 1) module.bind('inverses', { kind: 'output', index: 2 }, 'f32', 'read_write');
  const rows = new Rows(shape, context);
  const n = f32(shape.length);
  const body = [
    ...(centred
      ? [rows.sums(['total'], (_k, at) => ({ terms: [`x[${at}]`] })), `let mean = total / ${n};`]
      : ['let mean = 0.0;']),
    rows.sums(['squares'], (_k, at) => ({ statements: `let d = x[${at}] - mean;`, terms: ['d * d'] })),
    `let inverse = 1.0 / sqrt(squares / ${n} + ${f32(epsilon)});`,
    ...(statistics > 0 ? [rows.once('means[row] = mean;')] : []),
    ...(statistics > 1 ? [rows.once('inverses[row] = inverse;')] : []),
    rows.loop((k, at) => {
      const scaled = `(x[${at}] - mean) * inverse * scale[${parameter(k)}]`;
      const value = `let value = ${spec.bias ? `${scaled} + bias[${parameter(k)}]` : scaled};`;
      return `let at = ${at}; ${value} ${store('value', { flat: 'at', channel: spec.channel(k), batch: spec.batch(k) }, 'y')}`;
    }),
  ];
  return single(rows.dispatch(spec.label, module, body));
}

const text = (shape: readonly number[]): string => shape.join('x');

export function instanceNormalization(node: Node<'InstanceNormalization'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const [n, c, ...spatial] = shape;
  return rowNormalization(
    {
      label: `instanceNorm ${text(shape)}`,
      shape: { outer: n * c, length: product(spatial), inner: 1 },
      epsilon: node.attributes.epsilon,
      parameter: () => `row % ${u32(c)}`,
      centred: true,
      bias: true,
      ownInputs: 3,
      channel: () => `(row % ${u32(c)})`,
      batch: () => `(row / ${u32(c)})`,
    },
    context,
  );
}

/** The channel and the batch of an element of any tensor, from its flat index, for epilogues. */
function placeOf(shape: readonly number[]) {
  const [n = 1, c = 1, ...rest] = shape;
  const inner = product(rest);
  return {
    channel: () => `(at / ${u32(inner)} % ${u32(c)})`,
    batch: () => `(at / ${u32(inner * c)} % ${u32(n)})`,
  };
}

export function groupNormalization(node: Node<'GroupNormalization'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const [n, c, ...spatial] = shape;
  const groups = node.attributes.num_groups;
  const perGroup = c / groups;
  const size = product(spatial);
  return rowNormalization(
    {
      label: `groupNorm ${text(shape)} /${groups}`,
      shape: { outer: n * groups, length: perGroup * size, inner: 1 },
      epsilon: node.attributes.epsilon,
      parameter: k => `row % ${u32(groups)} * ${u32(perGroup)} + ${k} / ${u32(size)}`,
      centred: true,
      bias: true,
      ownInputs: 3,
      ...placeOf(shape),
    },
    context,
  );
}

/** Over all axes from one on. */
export function normalizationOverLast(
  node: Node<'LayerNormalization' | 'RMSNormalization'>,
  context: KernelContext,
): KernelPlan {
  const [shape, ...parameters] = node.inputs.flatMap(v => (v ? [sizesOf(v)] : []));
  const { axis, epsilon } = node.attributes;
  const first = axis < 0 ? axis + shape.length : axis;
  const length = product(shape.slice(first));
  const centred = node.op === 'LayerNormalization';
  if (parameters.some(p => product(p) !== length)) {
    throw new SutureError('kernel-missing', 'its scale or bias does not have the shape of the normalised axes');
  }
  return rowNormalization(
    {
      label: `${centred ? 'layerNorm' : 'rmsNorm'} ${text(shape)}`,
      shape: { outer: product(shape.slice(0, first)), length, inner: 1 },
      epsilon,
      parameter: k => k,
      centred,
      bias: parameters.length > 1,
      ownInputs: node.inputs.length,
      ...placeOf(shape),
      statistics: node.outputs.length - 1,
    },
    context,
  );
}

/** `(g - mean(g) - x̂ · mean(g · x̂)) / σ` along rows, with g = dY · scale. */
function rowNormalizationGrad(
  { label, shape, epsilon, parameter }: Pick<RowNormalization, 'label' | 'shape' | 'epsilon' | 'parameter'>,
  context: KernelContext,
): KernelPlan {
  const module = new ModuleBuilder();
  module.bind('dy', { kind: 'input', index: 0 });
  module.bind('x', { kind: 'input', index: 1 });
  module.bind('scale', { kind: 'input', index: 2 });
  module.bind('dx', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const rows = new Rows(shape, context);
  const n = f32(shape.length);
  const g = (k: string, at: string) => `let g = dy[${at}] * scale[${parameter(k)}];`;
  const body = [
    rows.sums(['total', 'slopes'], (k, at) => ({ statements: g(k, at), terms: [`x[${at}]`, 'g'] })),
    `let mean = total / ${n};`,
    rows.sums(['squares', 'products'], (k, at) => ({
      statements: `${g(k, at)} let d = x[${at}] - mean;`,
      terms: ['d * d', 'g * d'],
    })),
    `let inverse = 1.0 / sqrt(squares / ${n} + ${f32(epsilon)});`,
    `let slope = slopes / ${n};`,
    `let along = products / ${n} * inverse * inverse;`,
    rows.loop((k, at) => `${g(k, at)} dx[${at}] = (g - slope - (x[${at}] - mean) * along) * inverse;`),
  ];
  return single(rows.dispatch(label, module, body));
}

export function instanceNormalizationGrad(node: Node<'InstanceNormalizationGrad'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 1));
  const { rows, channel } = instances(shape);
  const { epsilon } = node.attributes;
  const label = `instanceNormGrad ${text(shape)}`;
  return rowNormalizationGrad({ label, shape: rows, epsilon, parameter: () => channel }, context);
}

/** Instances and channels as rows. */
function instances(shape: readonly number[]): { readonly rows: RowShape; readonly channel: string } {
  const [n, c, ...spatial] = shape;
  return { rows: { outer: n * c, length: product(spatial), inner: 1 }, channel: `row % ${u32(c)}` };
}

export function inverseDeviation(node: Node<'InverseDeviation'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const module = new ModuleBuilder();
  module.bind('x', { kind: 'input', index: 0 });
  module.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const rows = new Rows(instances(shape).rows, context);
  const n = f32(product(shape.slice(2)));
  const body = [
    rows.sums(['total'], (_k, at) => ({ terms: [`x[${at}]`] })),
    `let mean = total / ${n};`,
    rows.sums(['squares'], (_k, at) => ({ statements: `let d = x[${at}] - mean;`, terms: ['d * d'] })),
    rows.once(`y[row] = 1.0 / sqrt(squares / ${n} + ${f32(node.attributes.epsilon)});`),
  ];
  return single(rows.dispatch(`inverseDeviation ${text(shape)}`, module, body));
}

export function instanceNormalizationGradFromOutput(
  node: Node<'InstanceNormalizationGradFromOutput'>,
  context: KernelContext,
): KernelPlan {
  const shape = sizesOf(inputAt(node, 1));
  const { rows: rowShape, channel } = instances(shape);
  const module = new ModuleBuilder();
  for (const [index, name] of ['dy', 'y', 'scale', 'bias', 'inverse'].entries())
    module.bind(name, { kind: 'input', index });
  module.bind('dx', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const rows = new Rows(rowShape, context);
  const n = f32(rowShape.length);
  const operands = (at: string) => `let g = dy[${at}] * scaling; let h = (y[${at}] - shift) / scaling;`;
  const body = [
    `let scaling = scale[${channel}]; let shift = bias[${channel}];`,
    rows.sums(['slopes', 'products'], (_k, at) => ({ statements: operands(at), terms: ['g', 'g * h'] })),
    `let slope = slopes / ${n}; let along = products / ${n}; let spread = inverse[row];`,
    rows.loop((_k, at) => `${operands(at)} dx[${at}] = (g - slope - h * along) * spread;`),
  ];
  return single(rows.dispatch(`instanceNormGradFromOutput ${text(shape)}`, module, body));
}

export function layerNormalizationGrad(node: Node<'LayerNormalizationGrad'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 1));
  const { outer, axis, inner } = around(shape, node.attributes.axis);
  if (product(sizesOf(inputAt(node, 2))) !== axis * inner) {
    throw new SutureError('kernel-missing', 'its scale does not have the shape of the normalised axes');
  }
  const rows = { outer, length: axis * inner, inner: 1 };
  const { epsilon } = node.attributes;
  return rowNormalizationGrad(
    { label: `layerNormGrad ${text(shape)}`, shape: rows, epsilon, parameter: k => k },
    context,
  );
}
