import {
  type AnyNode,
  type Graph,
  type GraphBuilder,
  type InputsOf,
  inputAt,
  type Node,
  numbersOf,
  rewrite,
  type Value,
} from '../../ir/index.ts';
import { forwardPass } from './forward.ts';
import { Storage } from './memory.ts';

/**
 * Lets the backward pass of an instance normalisation read what follows from its output, where that is kept anyway and the input
 * is not: for a stitch that reads it, or by a rectifier. In-place activated normalisation (Rota Bulò, Porzi and Kontschieder, "In-Place
 * Activated BatchNorm for Memory-Optimized Training of DNNs", CVPR 2018).
 *
 *     y = InstanceNormalization(x, s, b)                  y = InstanceNormalization(x, s, b);  d = InverseDeviation(x)
 *     dw = StitchGrad(dy', y)                     →       dw = StitchGrad(dy', y)
 *     dx = InstanceNormalizationGrad(dy, x, s)            dx = InstanceNormalizationGradFromOutput(dy, y, s, b, d)
 *
 * Requires: every extent is known. Guarantees: the same outputs up to rounding; only normalisations whose scale is large enough
 * against the bias to be undone in float32.
 */
export function invert(graph: Graph, loss: Value): Graph {
  const found = inversions(graph, loss);
  if (found.length === 0) return graph;
  const byGradient = new Map(found.map(i => [i.gradient.outputs[0], i]));
  const norms = new Set(found.map(i => i.norm.outputs[0]));
  const deviations = new Map<Value, Value>();
  return rewrite(graph, (node, to) => {
    const [output] = node.outputs;
    if (node.op === 'InstanceNormalization' && norms.has(output)) {
      const { epsilon } = node.attributes;
      to.adopt(node);
      const name = `${node.name}/deviation`;
      deviations.set(output, to.op('InverseDeviation', [inputAt(node, 0)], { epsilon }, { name, origin: node.origin }));
      return [output];
    }
    const inversion = byGradient.get(output);
    if (!inversion) return undefined;
    const { norm, rectifier } = inversion;
    const [, scale, bias] = operands(norm);
    const y = rectifier ? unrectified(to, rectifier) : norm.outputs[0];
    return to.op(
      'InstanceNormalizationGradFromOutput',
      [inputAt(node, 0), y, scale, bias, deviations.get(norm.outputs[0])!],
      {},
      { name: node.name, origin: node.origin },
    );
  });
}

/** A normalisation whose adjoint can read its output, or that of the rectifier behind it. */
interface Inversion {
  readonly gradient: Node<'InstanceNormalizationGrad'>;
  readonly norm: Node<'InstanceNormalization'>;
  readonly rectifier: Node<'LeakyRelu'> | undefined;
}

function inversions(graph: Graph, loss: Value): Inversion[] {
  const gradients = graph.nodes.filter(n => n.op === 'InstanceNormalizationGrad');
  if (gradients.length === 0) return [];
  const kept = new Kept(graph, loss);
  return gradients.flatMap((gradient): Inversion[] => {
    const [, x, scale] = gradient.inputs as InputsOf<'InstanceNormalizationGrad'>;
    const norm = graph.consumers(x).find(n => n.op === 'InstanceNormalization');
    if (norm?.op !== 'InstanceNormalization' || norm.inputs[1] !== scale || kept.has(x, gradient)) return [];
    if (norm.attributes.epsilon !== gradient.attributes.epsilon || !isInvertible(norm)) return [];
    const [y] = norm.outputs;
    if (kept.has(y)) return [{ gradient, norm, rectifier: undefined }];
    const rectifier = graph
      .consumers(y)
      .find(n => n.op === 'LeakyRelu' && n.attributes.alpha > 0 && kept.has(n.outputs[0]));
    return rectifier?.op === 'LeakyRelu' ? [{ gradient, norm, rectifier }] : [];
  });
}

/** A bias that is this many times a channel's scale costs the normalised value as many bits as the number has: 8 of 24. */
const largestShift = 256;

const operands = (norm: Node<'InstanceNormalization'>) => norm.inputs as InputsOf<'InstanceNormalization'>;

function isInvertible(norm: Node<'InstanceNormalization'>): boolean {
  const [x, scale, bias] = operands(norm);
  if (x.type.dtype !== 'float32' || !scale.constant || !bias.constant) return false;
  const shifts = numbersOf(bias.constant);
  return [...numbersOf(scale.constant)].every((s, c) => s !== 0 && Math.abs(shifts[c]) <= largestShift * Math.abs(s));
}

/** What a rectifier with a slope read. */
function unrectified(to: GraphBuilder, { name, attributes, outputs: [z] }: Node<'LeakyRelu'>): Value {
  return to.scope(`${name}/inverse`, () =>
    to.op('Where', [to.op('Greater', [z, to.scalar(0)]), z, to.op('Mul', [z, to.scalar(1 / attributes.alpha)])]),
  );
}

/** Which values of the forward pass must be kept until the backward pass comes by. */
class Kept {
  readonly #forward: ReadonlySet<AnyNode>;
  readonly #graph: Graph;
  readonly #storage: Storage;
  readonly #readers = new Map<Value, AnyNode[]>();

  constructor(graph: Graph, loss: Value) {
    this.#graph = graph;
    this.#forward = forwardPass(graph, loss);
    this.#storage = new Storage(graph);
    for (const node of graph.nodes) {
      for (const root of new Set(node.inputs.flatMap(v => (v ? [this.#storage.rootOf(v)] : [])))) {
        this.#readers.set(root, [...(this.#readers.get(root) ?? []), node]);
      }
    }
  }

  /** Whether anything but `except` reads the value in the backward pass, and waits for a gradient to do so. */
  has(value: Value, except?: AnyNode): boolean {
    const root = this.#storage.rootOf(value);
    return (this.#readers.get(root) ?? []).some(n => n !== except && !this.#storage.isView(n) && this.#waits(n));
  }

  #waits(node: AnyNode): boolean {
    if (this.#forward.has(node)) return false;
    return node.inputs.some(v => {
      const producer = v && this.#graph.producer(v);
      return producer && !this.#forward.has(producer);
    });
  }
}
