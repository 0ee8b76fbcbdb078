import { type Graph, GraphBuilder, numbersOf, rewrite, type Tensor, tensorFromNumbers, Value } from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { fixSwitches } from '../settle/fix-switches.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { applyRules } from '../simplify/simplify.ts';
import { parametersOf, type StitchParameters } from './initial.ts';
import type { SuperNetwork, Tag } from './network.ts';
import { type Matrix, type PairMoments, ridge } from './ridge.ts';

/** Names of the outputs of a statistics graph. */
const meanName = (position: number, tag: Tag): string => `statistics/${position}/${tag}/mean`;
const covarianceName = (position: number, x: Tag, y: Tag): string => `statistics/${position}/${x}-${y}/covariance`;

/**
 * A graph that computes, for every position, the means of its features over a batch and their covariances with themselves and
 * with each other, every network on its own features. Its inputs are the parents' inputs; its outputs are what
 * `FeatureMoments` reads.
 *
 * Features are centred by the batch's own mean before they are multiplied, so float32 loses no digits to a large mean.
 */
export function featureStatistics(network: SuperNetwork): Graph {
  const features = network.switches.map(s => s.original);
  const onlyFeatures = network.graph.with({ outputs: features.map((value, i) => ({ name: `feature ${i}`, value })) });
  const weights = new Map(
    [...network.switches, ...network.outputs].map(s => {
      const { type } = network.graph.input(s.weights);
      const ones = s.sources.map((_, i) => (i === 0 ? 1 : 0));
      return [
        s.weights,
        new Value(s.weights, type, { constant: tensorFromNumbers(type.dtype, [ones.length], ones) }),
      ] as const;
    }),
  );
  const bound = rewrite(onlyFeatures, () => undefined, { inputs: weights });
  const alone = removeDeadCode(applyRules(bound, [fixSwitches]));

  const to = new GraphBuilder('statistics');
  const inputs = new Set(network.parents.flatMap(p => p.inputs));
  for (const input of alone.inputs) if (inputs.has(input.name)) to.adoptInput(input);
  for (const constant of alone.constants()) to.reserve(constant.name);
  for (const node of alone.nodes) to.adopt(node);
  const featureOf = new Map(alone.outputs.map((o, i) => [features[i], o.value]));

  for (const { id } of network.positions) {
    const members = network.switches
      .filter(s => s.position === id)
      .map(s => ({ tag: s.parent, ...centred(to, featureOf.get(s.original)!) }));
    for (const x of members) {
      to.output(meanName(id, x.tag), x.mean);
      for (const y of members) {
        // The covariance of y with x is that of x with y, transposed.
        if (members.indexOf(y) >= members.indexOf(x))
          to.output(covarianceName(id, x.tag, y.tag), covariance(to, x.rest, y.rest));
      }
    }
  }
  return to.build();
}

/** A feature's means over all places, [C], and what is left of it without them. */
export function centred(to: GraphBuilder, feature: Value): { mean: Value; rest: Value } {
  const rank = feature.type.shape.length;
  const axis = channelAxis(rank);
  const others = Array.from({ length: rank }, (_, i) => i).filter(i => i !== axis);
  const mean = to.op('ReduceMean', [feature, to.ints(others)], { keepdims: 1 });
  return { mean: to.op('Reshape', [mean, to.ints([-1])]), rest: to.op('Sub', [feature, mean]) };
}

/** `[C_x, C_y]`: the mean of the outer products over all places. It is a stitch's weight gradient, for which kernels exist. */
export function covariance(to: GraphBuilder, x: Value, y: Value): Value {
  const [sums] = to.ops('StitchGrad', [x, y]);
  const { shape, dtype } = y.type;
  const channels = shape[channelAxis(shape.length)] as number;
  const elements = to.op('Cast', [to.op('Size', [y])], { to: dtype });
  const places = to.op('Div', [elements, to.constant(tensorFromNumbers(dtype, [], [channels]), 'channels')]);
  return to.op('Div', [sums, places]);
}

/**
 * The covariance of a union, by the parallel formula of Chan, Golub and LeVeque (1979): the weighted mean of the covariances plus
 * that of the means. `share` is the part of the union that is new, `x` and `y` by how much its means are above those of the rest.
 */
function pooled(
  old: Float64Array | undefined,
  added: ArrayLike<number>,
  share: number,
  x: Float64Array,
  y: Float64Array,
): Float64Array {
  return Float64Array.from({ length: added.length }, (_, k) => {
    const apart = x[Math.floor(k / y.length)] * y[k % y.length];
    return (1 - share) * (old?.[k] ?? 0) + share * added[k] + share * (1 - share) * apart;
  });
}

/** Collects the moments of one pair over several batches in double precision. */
export class Moments {
  #samples = 0;
  #known: PairMoments | undefined;

  /** Adds the moments of a batch of `samples`, as `PairMoments` has them: means [C_x], [C_y], covariances [C_x, C_x], [C_x, C_y]. */
  add(batch: Readonly<Record<keyof PairMoments, Tensor>>, samples: number): void {
    this.#samples += samples;
    const share = samples / this.#samples;
    const [meanX, meanY, xx, xy] = [batch.meanX, batch.meanY, batch.xx, batch.xy].map(t =>
      Float64Array.from(numbersOf(t)),
    );
    const old = this.#known;
    const [x, y] = [
      meanX.map((m, c) => m - (old ?? { meanX }).meanX[c]),
      meanY.map((m, c) => m - (old ?? { meanY }).meanY[c]),
    ];
    const moved = (mean: Float64Array, apart: Float64Array) => mean.map((m, c) => m - (1 - share) * apart[c]);
    const matrix = (rows: number, columns: number, data: Float64Array): Matrix => ({ rows, columns, data });
    this.#known = {
      meanX: moved(meanX, x),
      meanY: moved(meanY, y),
      xx: matrix(x.length, x.length, pooled(old?.xx.data, xx, share, x, x)),
      xy: matrix(x.length, y.length, pooled(old?.xy.data, xy, share, x, y)),
    };
  }

  /** The moments over all samples so far. */
  get pair(): PairMoments {
    if (!this.#known) throw new RangeError('no sample was added');
    return this.#known;
  }
}

/** Collects the statistics of several batches in double precision. */
export class FeatureMoments {
  readonly #network: SuperNetwork;
  #samples = 0;
  readonly #means = new Map<string, Float64Array>();
  readonly #covariances = new Map<string, Matrix>();

  constructor(network: SuperNetwork) {
    this.#network = network;
  }

  /** Adds a batch of `samples`: the outputs of `featureStatistics`'s graph, by name. */
  add(outputs: ReadonlyMap<string, Tensor>, samples: number): void {
    const total = this.#samples + samples;
    const share = samples / total;
    const read = (name: string): Tensor => {
      const tensor = outputs.get(name);
      if (!tensor) throw new RangeError(`the statistics lack the output '${name}'`);
      return tensor;
    };
    for (const { id } of this.#network.positions) {
      const tags = this.#tagsAt(id);
      const batch = tags.map(tag => Float64Array.from(numbersOf(read(meanName(id, tag)))));
      const before = tags.map((tag, i) => this.#means.get(meanName(id, tag)) ?? batch[i]);
      for (const [i, x] of tags.entries()) {
        for (const [j, y] of tags.entries()) {
          if (j < i) continue;
          const name = covarianceName(id, x, y);
          const tensor = read(name);
          const [rows, columns] = tensor.shape;
          const added = numbersOf(tensor);
          const old = this.#covariances.get(name)?.data;
          const apart = [i, j].map(k => batch[k].map((m, c) => m - before[k][c]));
          this.#covariances.set(name, { rows, columns, data: pooled(old, added, share, apart[0], apart[1]) });
        }
      }
      for (const [i, tag] of tags.entries()) {
        this.#means.set(
          meanName(id, tag),
          before[i].map((m, c) => m + share * (batch[i][c] - m)),
        );
      }
    }
    this.#samples = total;
  }

  /** What is known of a feature (`from`) and the one that it is stitched to, at a position. */
  pair(position: number, from: Tag, to: Tag): PairMoments {
    return {
      meanX: this.#means.get(meanName(position, from))!,
      meanY: this.#means.get(meanName(position, to))!,
      xx: this.#covariance(position, from, from),
      xy: this.#covariance(position, from, to),
    };
  }

  /** The least-squares stitches for what was collected: see `ridge`. */
  ridge(lambda?: number): StitchParameters {
    return parametersOf(this.#network, s => ridge(this.pair(s.position, s.from, s.to), lambda));
  }

  #tagsAt(position: number): readonly Tag[] {
    return this.#network.switches.filter(s => s.position === position).map(s => s.parent);
  }

  #covariance(position: number, x: Tag, y: Tag): Matrix {
    const found = this.#covariances.get(covarianceName(position, x, y));
    if (found) return found;
    const { rows, columns, data } = this.#covariances.get(covarianceName(position, y, x))!;
    const transposed = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
    return { rows: columns, columns: rows, data: transposed };
  }
}
