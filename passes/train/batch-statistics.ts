import { type Graph, isOp, rewrite, type Value } from '../../ir/index.ts';
import { range } from '../../ir/numbers.ts';
import { Emit } from '../differentiate/emit.ts';

/** What a running value keeps of itself in a step where the file has 1, which would leave it at its first value for ever. */
const usualMomentum = 0.9;

/** A network that normalises by its batches. */
export interface Batched {
  readonly graph: Graph;
  /** From the inputs that hold running means and variances to what they are after the batch. */
  readonly running: ReadonlyMap<string, Value>;
}

/**
 * Batch normalisation as it is while a network is trained (BatchNormalization of ONNX 15 with `training_mode`), in operators that have
 * adjoints: by the mean and the biased variance of the batch, over images and places, through which gradients flow.
 *
 *     BatchNormalization(%x, %γ, %β, %mean, %variance)   →   BatchNormalization(%x, %γ, %β, %m, %v)
 *         with %m = mean(%x), %v = mean((%x - %m)²)
 *         running: %mean ← μ·%mean + (1 - μ)·%m, %variance ← μ·%variance + (1 - μ)·n/(n - 1)·%v
 *
 * μ is the node's `momentum`; PyTorch's is 1 - μ, and of a cumulative average it writes 1. The running variance is of the unbiased one, as
 * PyTorch keeps it (ONNX takes the biased one): it is what single images are normalised by later, and so an estimate of the variance that
 * all images have, which the biased one of small batches falls short of.
 *
 * Nodes whose running values are inputs ({@link openWeights} with `statistics`) alone are looked at; others are by constants, and stay.
 * A value that several nodes read goes on from node to node. Guarantees: the same inputs and outputs.
 */
export function withBatchStatistics(given: Graph): Batched {
  const inputs = new Set(given.inputs);
  const running = new Map<string, Value>();
  const carry = (e: Emit, input: Value, found: Value, momentum: number): void => {
    const before = running.get(input.name) ?? input;
    running.set(input.name, e.add(e.mul(before, momentum), e.mul(found, 1 - momentum)));
  };
  const graph = rewrite(given, (node, to) => {
    if (!isOp(node, 'BatchNormalization')) return undefined;
    const [x, scale, bias, mean, variance] = node.inputs as readonly [Value, Value, Value, Value, Value];
    if (!inputs.has(mean) || !inputs.has(variance)) return undefined;
    const { momentum: said } = node.attributes;
    const momentum = said < 1 ? said : usualMomentum;
    const e = new Emit(to);
    return to.scope(node.name, () => {
      const { shape } = x.type;
      const axes = [0, ...range(2, shape.length)];
      const average = (value: Value): Value => to.op('ReduceMean', [value, to.ints(axes)], { keepdims: 0 });
      const m = average(x);
      const v = average(e.square(e.sub(x, e.perChannel(m, shape.length))));
      const n = e.count(x, axes);
      carry(e, mean, m, momentum);
      carry(e, variance, e.mul(v, typeof n === 'number' ? n / (n - 1) : e.div(n, e.sub(n, 1))), momentum);
      return to.op('BatchNormalization', [x, scale, bias, m, v], node.attributes, { name: 'y' });
    });
  });
  return { graph, running };
}
