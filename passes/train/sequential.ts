import { type AnyNode, type Binding, type Graph, GraphBuilder, type Tensor, type Value } from '../../ir/index.ts';
import { simplify } from '../simplify.ts';
import { specialize } from '../specialize.ts';
import {
  centred,
  covariance,
  Moments,
  type PairMoments,
  parametersOf,
  ridge,
  type Stitch,
  type StitchParameters,
  type SuperNetwork,
} from '../stitch.ts';
import { doubleStreams, newDraft } from './streams.ts';

/**
 * Closed-form stitches that know what the stitches before them do.
 *
 * `FeatureMoments` fits every stitch to clean features, and the errors of one stitch take the next out of what it was fitted to.
 * Here stitches are fitted in the order of the network. Two streams of the same images run through it: the reference, all
 * original, and a stitched one, in which each sample has a setting of its own. A stitch maps the raw feature of the stitched
 * stream to the partner's reference feature; then it takes its place in the stitched stream, in the samples whose setting says so,
 * and the streams go on to the next position.
 *
 * Nothing is computed twice: the network is cut after the features of each position (of several, where these do not depend on
 * each other) into stages. What a stage computes and a later one reads is kept by the host in between.
 */
export interface FitStage {
  /** Computes the moments of this stage's positions, and what later stages read. All extents are numbers. */
  readonly graph: Graph;
  /** The stitches that are fitted when the stage has run. */
  readonly stitches: readonly Stitch[];
  /** Outputs of the graph that later stages read, as inputs of the same names. */
  readonly keeps: readonly string[];
  /** What no stage after this one reads. */
  readonly drops: readonly string[];
}

const keys = ['meanX', 'meanY', 'xx', 'xy'] as const satisfies readonly (keyof PairMoments)[];
const momentName = ({ position, from, to }: Stitch, key: keyof PairMoments): string =>
  `moments/${position}/${from}-${to}/${key}`;

/**
 * The stages of a network for a batch of known size: `binding` binds all symbols of its inputs. Their inputs are the images, the
 * settings (`settingInput`: each sample's weight on the originals of a position; `sourcesInput`), the parameters of stitches that earlier stages
 * fitted, and what earlier stages keep.
 */
export function fitStages(network: SuperNetwork, binding: Binding): readonly FitStage[] {
  const graph = simplify(specialize(fitGraph(network), binding));
  const stageOf = stagesOf(network, graph);
  const at = (value: Value): number => stageOf.get(value)!;
  const lastRead = new Map<Value, number>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input && !input.constant) lastRead.set(input, Math.max(lastRead.get(input) ?? 0, at(node.outputs[0])));
    }
  }
  // Features that are equal share moments, which then come with the first of their positions and wait for the others.
  const momentsOf = (stitch: Stitch) =>
    keys.map(key => momentName(stitch, key)).map(name => ({ name, value: graph.output(name) }));
  const fittedAt = new Map(network.stitches.map(s => [s, Math.max(...momentsOf(s).map(({ value }) => at(value)))]));
  for (const [stitch, stage] of fittedAt) {
    for (const { value } of momentsOf(stitch)) {
      if (at(value) < stage) lastRead.set(value, Math.max(lastRead.get(value) ?? 0, stage));
    }
  }
  const count = 1 + Math.max(...fittedAt.values());
  return Array.from({ length: count }, (_, s): FitStage => {
    const nodes = graph.nodes.filter(node => at(node.outputs[0]) === s);
    const kept = nodes.flatMap(n => n.outputs).filter(v => (lastRead.get(v) ?? 0) > s);
    const stitches = network.stitches.filter(stitch => fittedAt.get(stitch) === s);
    const moments = stitches.flatMap(momentsOf);
    return {
      graph: partOf(`fit ${s}`, nodes, [...moments, ...kept.map(value => ({ name: value.name, value }))]),
      stitches,
      keeps: kept.map(v => v.name),
      drops: [...lastRead].flatMap(([value, last]) => (last === s ? [value.name] : [])),
    };
  });
}

/** Both streams through the whole network, with the moments of every stitch. */
function fitGraph(network: SuperNetwork): Graph {
  const b = new GraphBuilder('sequential fit');
  const draft = newDraft(network, b, 'position');
  const stitchOf = new Map(network.stitches.map(s => [s.output, s]));
  const originalOf = new Map(network.switches.map(s => [`${s.position}/${s.parent}`, s.original]));
  doubleStreams(draft, network.switches, {
    onNode(node, { reference, stitched }) {
      const stitch = stitchOf.get(node.outputs[0]);
      if (!stitch) return;
      const x = centred(b, stitched.read(stitch.source)!);
      const y = centred(b, reference.read(originalOf.get(`${stitch.position}/${stitch.to}`)!)!);
      b.output(momentName(stitch, 'meanX'), x.mean);
      b.output(momentName(stitch, 'meanY'), y.mean);
      b.output(momentName(stitch, 'xx'), covariance(b, x.rest, x.rest));
      b.output(momentName(stitch, 'xy'), covariance(b, x.rest, y.rest));
    },
  });
  return b.build();
}

/**
 * When each value is computed. A position's moments come in the first stage in which all that they read can be there: parameters
 * of stitches are, one stage after the moments of their position. Everything else is computed when it is first read, so that
 * little has to be kept: the reference could run ahead to its end.
 */
function stagesOf(network: SuperNetwork, graph: Graph): ReadonlyMap<Value, number> {
  const earliest = earliestStages(network, graph);
  const stages = new Map<Value, number>();
  const read = (value: Value, stage: number) => stages.set(value, Math.min(stages.get(value) ?? stage, stage));
  for (const { id } of network.positions) {
    const moments = network.stitches
      .filter(s => s.position === id)
      .flatMap(stitch => keys.map(key => graph.output(momentName(stitch, key))));
    const stage = Math.max(...moments.map(v => earliest.get(v)!));
    for (const value of moments) read(value, stage);
  }
  for (const node of graph.nodes.toReversed()) {
    const stage = Math.min(...node.outputs.flatMap(o => stages.get(o) ?? []));
    for (const output of node.outputs) stages.set(output, stage);
    for (const input of node.inputs) if (input && !input.constant) read(input, stage);
  }
  return stages;
}

/** The first stage in which each value can be computed. */
function earliestStages(network: SuperNetwork, graph: Graph): ReadonlyMap<Value, number> {
  const moments = new Map<number, Value[]>();
  const parameters = new Map<Value, number>();
  for (const stitch of network.stitches) {
    const own = keys.map(key => graph.output(momentName(stitch, key)));
    moments.set(stitch.position, [...(moments.get(stitch.position) ?? []), ...own]);
    for (const name of [stitch.weight, stitch.bias]) parameters.set(graph.input(name), stitch.position);
  }
  const reads = (value: Value): readonly Value[] => {
    const position = parameters.get(value);
    if (position !== undefined) return moments.get(position)!;
    return (graph.producer(value)?.inputs ?? []).filter(v => v !== undefined);
  };
  const stages = new Map<Value, number>();
  // Depth first on a list of its own: networks are deeper than calls can be nested.
  const open = graph.outputs.map(o => o.value);
  for (let value = open.at(-1); value; value = open.at(-1)) {
    const before = stages.has(value) ? [] : reads(value);
    const missing = before.filter(v => !stages.has(v));
    if (missing.length > 0) {
      open.push(...missing);
      continue;
    }
    open.pop();
    if (stages.has(value)) continue;
    const latest = Math.max(0, ...before.map(v => stages.get(v)!));
    stages.set(value, parameters.has(value) ? latest + 1 : latest);
  }
  return stages;
}

/** Nodes of a graph as a graph: what they read of the others is its inputs. */
export function partOf(name: string, nodes: readonly AnyNode[], outputs: Graph['outputs']): Graph {
  const to = new GraphBuilder(name);
  const here = new Set<Value>(nodes.flatMap(n => n.outputs));
  for (const node of nodes) {
    for (const value of node.inputs) {
      if (!value || here.has(value)) continue;
      here.add(value);
      if (value.constant) to.reserve(value.name);
      else to.adoptInput(value);
    }
  }
  for (const { value } of outputs) {
    if (here.has(value) || value.constant) continue;
    here.add(value);
    to.adoptInput(value);
  }
  for (const node of nodes) to.adopt(node);
  for (const { name: output, value } of outputs) to.output(output, value);
  return to.build();
}

/** The moments of a stage's stitches over all batches, and the stitches that follow from them. */
export class StageFit {
  readonly #moments: ReadonlyMap<Stitch, Moments>;

  constructor({ stitches }: Pick<FitStage, 'stitches'>) {
    this.#moments = new Map(stitches.map(s => [s, new Moments()]));
  }

  /** Adds a batch of `samples`: the outputs of the stage's graph, by name. */
  add(outputs: Readonly<Record<string, Tensor>>, samples: number): void {
    for (const [stitch, moments] of this.#moments) {
      const [meanX, meanY, xx, xy] = keys.map(key => outputs[momentName(stitch, key)]);
      moments.add({ meanX, meanY, xx, xy }, samples);
    }
  }

  /** The least-squares stitches: see `ridge`. */
  ridge(lambda?: number): StitchParameters {
    return parametersOf({ stitches: [...this.#moments.keys()] }, s => ridge(this.#moments.get(s)!.pair, lambda));
  }
}
