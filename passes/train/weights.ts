import {
  type Graph,
  GraphBuilder,
  isFloat,
  type OpName,
  printable,
  rewrite,
  SutureError,
  type Tensor,
  tensorType,
  Value,
} from '../../ir/index.ts';
import { simplify } from '../simplify.ts';

/**
 * What a learned tensor does in its layer. Weights are what optimisers let decay; biases and the scales of normalisations they leave
 * alone. Running means and variances follow the batches.
 */
export type Role = 'weight' | 'bias' | 'scale' | 'mean' | 'variance';

/**
 * Which operands of an operator are learned, where they are constants. Those of other operators are not: scales of Resize, bounds of Clip, fills of Pad, exponents. Of the
 * elementwise operators only sums and products with more than one number: single ones are parts of formulas (½, √d, ε), and what is
 * subtracted or divided by prepares the images. A constant that is added cannot be told from a bias; it is one.
 */
const learned: { readonly [K in OpName]?: readonly (Role | undefined)[] } = {
  Conv: [undefined, 'weight', 'bias'],
  ConvTranspose: [undefined, 'weight', 'bias'],
  Gemm: ['weight', 'weight', 'bias'],
  MatMul: ['weight', 'weight'],
  Stitch: [undefined, 'weight', 'bias'],
  Gather: ['weight'],
  BatchNormalization: [undefined, 'scale', 'bias', 'mean', 'variance'],
  InstanceNormalization: [undefined, 'scale', 'bias'],
  LayerNormalization: [undefined, 'scale', 'bias'],
  GroupNormalization: [undefined, 'scale', 'bias'],
  RMSNormalization: [undefined, 'scale'],
  PRelu: [undefined, 'scale'],
};

/** The same of sums and products: of constants with more than one number. */
const learnedOfMany: { readonly [K in OpName]?: readonly Role[] } = { Add: ['bias', 'bias'], Mul: ['scale', 'scale'] };

const running: ReadonlySet<Role> = new Set<Role>(['mean', 'variance']);

/** Whether it is learned from batches, and not by gradients. */
export const isRunning = (role: Role | undefined): boolean => role !== undefined && running.has(role);

/** A network whose weights are inputs, so that they can be trained. */
export interface OpenNetwork {
  readonly graph: Graph;
  /** The inputs that were weights, in the order of first use, with the values that they had. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly roles: ReadonlyMap<string, Role>;
}

/** Whether the running statistics of batch normalisations are learned, too. Default: they are constants, as for inference. */
export interface OpenOptions {
  readonly statistics?: boolean | undefined;
}

/** The constants of a graph that are learned. One that several layers read has the role that it has in the first. */
function learnedConstants(graph: Graph, { statistics = false }: OpenOptions): ReadonlyMap<Value, Role> {
  const roles = new Map<Value, Role>();
  for (const { op, inputs, name } of graph.nodes) {
    for (const [i, role] of (learned[op] ?? learnedOfMany[op] ?? []).entries()) {
      const value = inputs[i];
      if (!role || !value?.constant || !isFloat(value.type.dtype) || (isRunning(role) && !statistics)) continue;
      const known = roles.get(value);
      if (known !== undefined && isRunning(known) !== isRunning(role)) throw mixedUp(value, name);
      if (known !== undefined) continue;
      if (learnedOfMany[op] && value.constant.data.length === 1) continue;
      roles.set(value, role);
    }
  }
  return roles;
}

const mixedUp = ({ name }: Value, node: string): SutureError =>
  new SutureError(
    'model-unsupported',
    `The tensor '${printable(name)}' that '${printable(node)}' reads is a running statistic and a weight in one: export the network with a tensor for each.`,
  );

/**
 * Makes inputs of a network's weights: kernels, matrices, biases, the scales and biases of normalisations, whatever else its layers
 * learned ({@link Role}). They keep their names.
 *
 * Guarantees: inputs of the network come first; {@link closeWeights} with `weights` gives the network back, simplified. What is one
 * constant stays one weight of several layers; constants that are merely equal are weights of their own.
 *
 * @throws SutureError `model-unsupported` where one constant is a running statistic here and a weight there.
 */
export function openWeights(network: Graph, options: OpenOptions = {}): OpenNetwork {
  const given = simplify(network, { apart: true });
  const roles = learnedConstants(given, options);
  const b = new GraphBuilder(given.name, given.info);
  for (const constant of given.constants()) if (!roles.has(constant)) b.reserve(constant.name);
  const map = new Map<Value, Value>(given.inputs.map(input => [input, b.adoptInput(input)]));
  for (const weight of roles.keys()) map.set(weight, b.input(weight.name, weight.type));
  for (const node of given.nodes) {
    const made = b.copy(
      node,
      node.inputs.map(v => v && (map.get(v) ?? v)),
    );
    for (const [i, output] of node.outputs.entries()) map.set(output, made[i]);
  }
  for (const { name, value } of given.outputs) b.output(name, map.get(value) ?? value);
  return {
    graph: b.build(),
    weights: new Map([...roles.keys()].map(value => [map.get(value)!.name, value.constant!])),
    roles: new Map([...roles].map(([value, role]) => [map.get(value)!.name, role])),
  };
}

/** The network with its weights as they are now. */
export function closeWeights({ graph }: OpenNetwork, values: ReadonlyMap<string, Tensor>): Graph {
  const inputs = new Map([...values].map(([name, t]) => [name, new Value(name, tensorType(t), { constant: t })]));
  return rewrite(graph, () => undefined, { inputs });
}
