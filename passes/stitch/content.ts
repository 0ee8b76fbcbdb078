/**
 * What an output holds, as far as the operators that compute it tell: found by walking back from it, with the axis of the channels
 * carried through every change of layout.
 *
 *     %l = Conv(...)           logits, channels on axis 1
 *     %t = Transpose(%l)       perm [0, 2, 3, 1]: on axis 3
 *     %p = Softmax(%t)         axis -1: probabilities, softmax, on axis 3
 *     %q = Cast(%p)            the same
 *
 * Convex sums of probabilities are probabilities, and their logarithm is the logarithm of probabilities: what an ensemble returns.
 */
import { type AnyNode, equalDims, type Graph, isStatic, numbersOf, type Shape, type Value } from '../../ir/index.ts';
import { constantNumber, normalizeAxis } from '../../ir/operator.ts';
import type { Activation } from './meaning.ts';

/** An axis, `none` where the one channel has none, undefined where nothing tells. */
type ChannelAxis = number | 'none' | undefined;

export interface Content {
  /** Undefined where no operator tells. */
  readonly kind: 'logits' | 'log-probabilities' | 'probabilities' | undefined;
  readonly activation: Activation | undefined;
  readonly axis: ChannelAxis;
}

/** A content with what its probabilities sum to: below 1 for a summand of a mean. */
interface Reading extends Content {
  readonly mass: number;
}

const unknown: Reading = { kind: undefined, activation: undefined, axis: undefined, mass: 1 };

/** Heads are short. A residual network's sums would be walked to its input otherwise. */
const depth = 48;

/** How far from 1 the weights of a mean may sum: what float16 leaves of them. */
const tolerance = 5e-3;

export function readContent(graph: Graph, output: Value): Content {
  const { mass, ...content } = new Reader(graph).read(output, depth);
  const whole = Math.abs(mass - 1) <= tolerance;
  return whole ? content : { kind: undefined, activation: undefined, axis: content.axis };
}

class Reader {
  readonly #graph: Graph;
  readonly #known = new Map<Value, Reading>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  read(value: Value | undefined, left: number): Reading {
    if (!value || left === 0) return unknown;
    const known = this.#known.get(value);
    if (known) return known;
    const node = this.#graph.producer(value);
    const found = node ? this.#of(node, left - 1) : unknown;
    this.#known.set(value, found);
    return found;
  }

  #of(node: AnyNode, left: number): Reading {
    const [x, y] = node.inputs;
    const first = (): Reading => this.read(x, left);
    switch (node.op) {
      case 'Identity':
      case 'Cast':
      case 'Clip':
      case 'Resize':
        return first();
      case 'Transpose': {
        const rank = x!.type.shape.length;
        const perm = node.attributes.perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
        return moved(first(), axis => perm.indexOf(axis));
      }
      case 'Reshape':
      case 'Flatten':
      case 'Squeeze':
      case 'Unsqueeze':
        return moved(appearing(first()), reshaping(x!.type.shape, node.outputs[0].type.shape));
      case 'Slice':
        return cut(first(), x!.type.shape, node.outputs[0].type.shape);
      case 'Gather': {
        const at = normalizeAxis(node.attributes.axis, x!.type.shape.length);
        const gone = y!.type.shape.length === 0;
        const taken = cut(first(), x!.type.shape, gone ? x!.type.shape.with(at, 1) : node.outputs[0].type.shape);
        return gone ? moved(taken, axis => (axis === at ? 'none' : axis > at ? axis - 1 : axis)) : taken;
      }
      case 'Softmax':
      case 'LogSoftmax': {
        const axis = normalizeAxis(node.attributes.axis, x!.type.shape.length);
        return {
          kind: node.op === 'Softmax' ? 'probabilities' : 'log-probabilities',
          activation: 'softmax',
          axis,
          mass: 1,
        };
      }
      case 'Sigmoid':
      case 'HardSigmoid':
        return { kind: 'probabilities', activation: 'sigmoid', axis: first().axis, mass: 1 };
      case 'Log':
        return changed(first(), 'probabilities', 'log-probabilities');
      case 'Exp':
        return changed(first(), 'log-probabilities', 'probabilities');
      case 'Neg':
        // -softplus(-x) is log sigmoid(x).
        return this.#graph.producer(x!)?.op === 'Softplus'
          ? { kind: 'log-probabilities', activation: 'sigmoid', axis: this.#throughSoftplus(x!, left), mass: 1 }
          : elementwise(first());
      case 'Add':
      case 'Sum':
      case 'Mean':
        return this.#sum(node, left);
      case 'Sub': {
        const [p, q] = [first(), this.read(y, left)];
        // log p - log(1 - p)
        const odds = [p, q].every(r => r.kind === 'log-probabilities' && r.activation === 'sigmoid');
        if (odds) return { kind: 'logits', activation: 'sigmoid', axis: p.axis, mass: 1 };
        return elementwise(y!.constant ? p : { ...unknown, axis: p.axis ?? q.axis });
      }
      case 'Mul':
      case 'Div': {
        const [value, factor] = node.op === 'Mul' && x!.constant ? [y, x] : [x, y];
        const reading = this.read(value, left);
        const scale = constantNumber(factor);
        if (reading.kind !== 'probabilities' || scale === undefined) return elementwise(reading);
        return { ...reading, mass: node.op === 'Mul' ? reading.mass * scale : reading.mass / scale };
      }
      case 'Switch': {
        const [weights, ...features] = node.inputs;
        const readings = features.map(feature => this.read(feature, left));
        const shares = weights!.constant ? numbersOf(weights!.constant) : features.map(() => 1 / features.length);
        return together(readings.map((r, i) => ({ ...r, mass: r.mass * shares[i] })));
      }
      case 'Conv':
      case 'ConvTranspose':
      case 'BatchNormalization':
      case 'InstanceNormalization':
      case 'GroupNormalization':
        return { ...unknown, axis: 1 };
      case 'Gemm':
      case 'MatMul':
        return { ...unknown, axis: node.outputs[0].type.shape.length - 1 };
      default:
        return unknown;
    }
  }

  #throughSoftplus(softplus: Value, left: number): ChannelAxis {
    const inner = this.#graph.producer(softplus)!.inputs[0];
    return this.read(inner, left).axis;
  }

  #sum(node: AnyNode, left: number): Reading {
    const terms = node.inputs.filter(v => v !== undefined);
    const constant = terms.filter(v => v.constant);
    const readings = terms.filter(v => !v.constant).map(v => this.read(v, left));
    if (readings.length === 0) return unknown;
    if (constant.length > 0) {
      const [reading] = readings;
      const shift = constant.reduce((sum, v) => sum + (constantNumber(v) ?? Number.NaN), 0);
      if (readings.length > 1 || reading.kind !== 'log-probabilities') return elementwise(reading);
      return { ...reading, mass: reading.mass * Math.exp(shift) };
    }
    const exponents = logSumExp(terms, v => this.#graph.producer(v));
    if (exponents) return together(exponents.map(v => this.read(v, left)));
    if (readings.every(r => r.kind === 'probabilities')) {
      return together(node.op === 'Mean' ? readings.map(r => ({ ...r, mass: r.mass / readings.length })) : readings);
    }
    return { ...unknown, axis: readings.find(r => r.axis !== undefined)?.axis };
  }
}

/** The operands x and y of `Max(x, y) + Softplus(-|x - y|)`, the stable form of log(exp x + exp y); undefined for other sums. */
function logSumExp(
  terms: readonly Value[],
  producer: (value: Value) => AnyNode | undefined,
): readonly Value[] | undefined {
  const nodes = terms.map(producer);
  const largest = nodes.find(n => n?.op === 'Max');
  if (terms.length !== 2 || !largest || largest.inputs.length !== 2) return undefined;
  return nodes.some(n => n?.op === 'Softplus') ? largest.inputs.map(v => v!) : undefined;
}

/** A number that has nothing to do with classes keeps the axis, and nothing else. */
const elementwise = ({ axis }: Reading): Reading => ({ ...unknown, axis });

const changed = (reading: Reading, from: Content['kind'], kind: Content['kind']): Reading =>
  reading.kind === from ? { ...reading, kind } : elementwise(reading);

/** A sum of probabilities of the same classes. */
function together(readings: readonly Reading[]): Reading {
  const [first, ...others] = readings;
  const alike = others.every(r => r.kind === first.kind && r.activation === first.activation && r.axis === first.axis);
  if (!alike || first.kind === undefined) return { ...unknown, axis: first.axis };
  return { ...first, mass: readings.reduce((sum, r) => sum + r.mass, 0) };
}

const moved = (reading: Reading, to: (axis: number) => ChannelAxis): Reading => ({
  ...reading,
  axis: typeof reading.axis === 'number' ? to(reading.axis) : reading.axis,
});

/** A channel without an axis may get one again. */
const appearing = (reading: Reading): Reading => (reading.axis === 'none' ? { ...reading, axis: undefined } : reading);

/** Some of the channels: those left of a softmax no longer sum to 1, and each is a yes or no for itself. */
function cut(reading: Reading, from: Shape, to: Shape): Reading {
  const { axis, activation } = reading;
  if (typeof axis !== 'number' || equalDims(from[axis], to[axis]) || activation !== 'softmax') return reading;
  return { ...reading, activation: 'sigmoid' };
}

/** Where an axis goes when extents are regrouped, as far as extents before or behind it that stay show. */
function reshaping(from: Shape, to: Shape): (axis: number) => ChannelAxis {
  let before = 0;
  while (before < Math.min(from.length, to.length) && equalDims(from[before], to[before])) before++;
  let behind = 0;
  const most = Math.min(from.length, to.length) - before;
  while (behind < most && equalDims(from[from.length - 1 - behind], to[to.length - 1 - behind])) behind++;
  return axis => {
    if (axis < before) return axis;
    if (axis >= from.length - behind) return axis - from.length + to.length;
    return isStatic(from[axis]) && from[axis] === 1 ? 'none' : undefined;
  };
}
