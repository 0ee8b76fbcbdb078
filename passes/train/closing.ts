import { ancestors, type Binding, descendants, type Graph, GraphBuilder, type Value } from '../../ir/index.ts';
import { differentiate } from '../differentiate/index.ts';
import { simplify } from '../simplify.ts';
import { specialize } from '../specialize.ts';
import type { OutputMeaning, Stitch, SuperNetwork, Switch } from '../stitch.ts';
import { partOf } from './sequential.ts';
import { doubleStreams, newDraft } from './streams.ts';

/**
 * The closing fit: the last stitches, by what the outputs are to be.
 *
 * Past a parent's last switch there is its head alone, and no later stitch mends what a stitch there does. What of its error
 * matters is then known exactly: what the head makes of it. So these stitches are fitted to the reference's outputs, given all other
 * stitches, each sample under a setting of its own in which the last switches are stitched. Behind a convolutional or linear head
 * and a softmax the problem is convex (a multinomial logistic regression on the stitched features). Squared errors need no closing fit
 * behind such a head: least squares has its optimum in every linear image of the feature at once.
 *
 * What does not depend on these stitches is computed once (`before`); what is left of the network (`after`) is small, so that it
 * can be evaluated as often as an optimiser wants.
 */
export interface ClosingFit {
  /** From images, settings (`settingInput`, `sourcesInput`) and the parameters of the other stitches to what `after` reads of them. */
  readonly before: Graph;
  /** From the outputs of `before`, by their names, the images where it reads them, and {@link parameters} to loss and gradients. */
  readonly after: Graph;
  readonly stitches: readonly Stitch[];
  /** Inputs of `after` that are fitted: weights and biases of the stitches. */
  readonly parameters: readonly string[];
  /** The output of `after` that holds the loss, the mean over the samples. */
  readonly loss: string;
  /** For each parameter the output that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * The closing fit of a network for a batch of known size: `binding` binds all symbols of its inputs. Undefined where no output
 * depends on a stitch.
 *
 * The loss is the sum over the parents' outputs of the Kullback-Leibler divergence of the stitched stream's probabilities from the
 * reference's, in nats, the mean over samples and places; of outputs that are no logits the mean squared error divided by the
 * reference's variance.
 *
 * @throws SutureError `adjoint-missing`.
 */
export function closingFit(network: SuperNetwork, binding: Binding): ClosingFit | undefined {
  const last = lastSwitches(network);
  const b = new GraphBuilder('closing fit', network.graph.info);
  const draft = newDraft(network, b, s => (last.has(s) ? 'stitched' : 'position'));
  const { reference, stitched } = doubleStreams(draft, network.switches);
  const terms = network.outputs.flatMap(output =>
    output.features.flatMap(feature => {
      const [x, target] = [stitched.read(feature), reference.read(feature)];
      return x && target && x !== target ? [divergence(b, x, target, output.meaning)] : [];
    }),
  );
  if (terms.length === 0) return undefined;
  b.output(
    lossName,
    terms.reduce((sum, term) => b.op('Add', [sum, term])),
  );

  const stitches = stitchesOf(network, last);
  const parameters = stitches.flatMap(({ weight, bias }) => [weight, bias]);
  const { before, after } = cut(simplify(specialize(b.build(), binding)), parameters);
  const { graph, gradients } = differentiate(after, { loss: lossName, parameters });
  return { before, after: graph, stitches, parameters, loss: lossName, gradients };
}

const lossName = 'loss';

/** The switches that no stitch or switch comes after: between them and the outputs lie the parents' heads. */
function lastSwitches(network: SuperNetwork): ReadonlySet<Switch> {
  const joints = new Set<Value>([...network.stitches, ...network.switches].map(s => s.output));
  const leadOn = new Set(ancestors(network.graph.nodes, joints).flatMap(node => node.inputs));
  return new Set(network.switches.filter(s => !leadOn.has(s.output)));
}

function stitchesOf(network: SuperNetwork, switches: ReadonlySet<Switch>): readonly Stitch[] {
  const fitted = new Set([...switches].flatMap(s => s.features.slice(1)));
  return network.stitches.filter(s => fitted.has(s.output));
}

/** The stitches that the closing fit is of. */
export const lastStitches = (network: SuperNetwork): readonly Stitch[] => stitchesOf(network, lastSwitches(network));

/** How far an output is from the reference's, as a scalar. */
function divergence(b: GraphBuilder, x: Value, target: Value, { kind, activation, channelAxis }: OutputMeaning): Value {
  const mean = (value: Value): Value => b.op('ReduceMean', [value], { keepdims: 0 });
  // The logarithms of a softmax are logits; those of single probabilities are none.
  const logits = kind === 'logits' || (kind === 'log-probabilities' && activation === 'softmax');
  const through = logits ? activation : undefined;
  switch (through) {
    case undefined:
      return b.ops('FeatureLoss', [x, target], { normalize: 1 }, { outputs: ['error', 'error/divisor'] })[0];
    case 'softmax': {
      const axis = channelAxis!;
      const [p, q] = [x, target].map(logits => b.op('LogSoftmax', [logits], { axis }));
      const excess = b.op('Mul', [b.op('Exp', [q]), b.op('Sub', [q, p])]);
      return mean(b.op('ReduceSum', [excess, b.ints([axis])], { keepdims: 0 }));
    }
    case 'sigmoid': {
      // q (log q - log p) + (1 - q) (log(1 - q) - log(1 - p)), with log p = z - softplus(z) and log(1 - p) = -softplus(z).
      const excess = b.op('Mul', [b.op('Sigmoid', [target]), b.op('Sub', [target, x])]);
      return mean(b.op('Add', [excess, b.op('Sub', [b.op('Softplus', [x]), b.op('Softplus', [target])])]));
    }
    default:
      return through satisfies never;
  }
}

/** Cuts a graph where the values that depend on some inputs begin. */
function cut(graph: Graph, parameters: readonly string[]): { readonly before: Graph; readonly after: Graph } {
  const after = descendants(
    graph.nodes,
    parameters.map(name => graph.input(name)),
  );
  const late = new Set(after);
  const isEarly = (value: Value): boolean => {
    const producer = graph.producer(value);
    return producer !== undefined && !late.has(producer);
  };
  const crossing = [...new Set(after.flatMap(n => n.inputs))].filter(v => v !== undefined).filter(isEarly);
  const early = ancestors(graph.nodes, crossing);
  return {
    before: partOf(
      'closing fit, what it reads',
      early,
      crossing.map(value => ({ name: value.name, value })),
    ),
    after: partOf('closing fit', after, graph.outputs),
  };
}
