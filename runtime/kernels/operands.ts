/**
 * What kernels rely on and type inference does not settle: that operands fit each other, so that no index leaves a buffer. Dawn's own
 * bounds checks are off (see `adapter/search.ts`), so a node that does not fit is refused before there is code for it.
 */
import { SutureError } from '../../ir/errors.ts';
import { type AnyNode, inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import { normalizeAxis } from '../../ir/operator.ts';
import { type OpName, operators } from '../../ir/ops/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { sizesOf } from './shape.ts';

type Sizes = readonly number[];
type Rule<K extends OpName> = (node: Node<K>, sizes: readonly Sizes[]) => boolean;

const same = (a: Sizes | undefined, b: Sizes | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((n, i) => n === b[i]);

/** Whether elements that indices of this shape name lie on axes that have elements. */
const reachable = (indices: Sizes, axes: Sizes): boolean => product(indices) === 0 || axes.every(n => n > 0);

/** Whether the axis that indices count along has elements; that they fit the data otherwise is the type rule's. */
const alongAxis = (
  { attributes: { axis } }: { attributes: { axis: number } },
  [data, indices]: readonly Sizes[],
): boolean => reachable(indices, [data[normalizeAxis(axis, data.length)]]);

/** Whether the weights of a switch line up with its features from the left. */
const weigh = ([sources, ...rest]: Sizes, features: readonly Sizes[]): boolean =>
  sources === features.length &&
  features.every(
    feature =>
      same(feature, features[0]) && rest.length <= feature.length && rest.every((n, i) => n === 1 || n === feature[i]),
  );

const rules: { readonly [K in OpName]?: Rule<K> } = {
  Gather: alongAxis,
  GatherElements: alongAxis,
  GatherND: ({ attributes: { batch_dims } }, [data, indices]) => {
    const length = indices.at(-1) ?? 0;
    return (
      same(data.slice(0, batch_dims), indices.slice(0, batch_dims)) &&
      reachable(indices, data.slice(batch_dims, batch_dims + length))
    );
  },
  ScatterElements: alongAxis,
  ScatterND: (_, [data, indices]) => reachable(indices, data.slice(0, indices.at(-1))),
  Switch: (_, [weights, ...features]) => weigh(weights, features),
  SwitchGrad: (_, [dy, weights, ...features]) => same(dy, features[0]) && weigh(weights, features),
  StitchGrad: (_, [dy, x]) => {
    const axis = channelAxis(x.length);
    return same(
      dy.filter((_n, i) => i !== axis),
      x.filter((_n, i) => i !== axis),
    );
  },
  FeatureLossGrad: (_, [dloss, , , divisor]) => product(dloss) === 1 && (!divisor || product(divisor) === 1),
  InstanceNormalizationGrad: (_, [dy, x, scale]) => same(dy, x) && same(scale, [x[1]]),
  InstanceNormalizationGradFromOutput: (_, [dy, y, scale, bias, inverse]) =>
    same(dy, y) && same(scale, [y[1]]) && same(bias, scale) && same(inverse, y.slice(0, 2)),
  LayerNormalizationGrad: (_, [dy, x]) => same(dy, x),
  MaxPoolGrad: (node, [dy]) => {
    const [y] = operators.MaxPool.infer(
      [inputAt(node, 1)],
      { storage_order: 0, ...node.attributes },
      { outputs: 1, fresh: () => -1 },
    );
    return same(dy, y.shape as Sizes);
  },
  AdamW: (_, [parameter, gradient, m, v, ...numbers]) =>
    [gradient, m, v].every(other => same(parameter, other)) && numbers.every(n => product(n) === 1),
};

/** @throws SutureError `kernel-missing` where a kernel would read or write beside its operands. */
export function requireFit(node: AnyNode): void {
  const rule = rules[node.op] as Rule<OpName> | undefined;
  if (!rule) return;
  const sizes = node.inputs.map(v => (v ? sizesOf(v) : []));
  if (rule(node as unknown as Node<OpName>, sizes)) return;
  const shapes = sizes.map(s => `[${s.join(', ')}]`).join(', ');
  throw new SutureError('kernel-missing', `its operands do not fit each other: ${shapes}`);
}
