import { type AnyNode, type Binding, type Graph, GraphBuilder, type Output, type Value } from '../../ir/index.ts';
import { simplify } from '../simplify.ts';
import { specialize } from '../specialize.ts';
import {
  type FitData,
  formOf,
  type Stitch,
  type SuperNetwork,
  statisticName,
  statisticNames,
  statisticsOf,
} from '../stitch.ts';
import { doubleStreams, newDraft } from './streams.ts';

/**
 * Closed-form stitches that know what the stitches before them do.
 *
 * `featureStatistics` fits every stitch to clean features, and the errors of one stitch take the next out of what it was fitted to.
 * Here stitches are fitted in the order of the network. Two streams of the same images run through it: the reference, all
 * original, and a stitched one, in which each sample has a setting of its own. A stitch maps the raw feature of the stitched
 * stream to the partner's reference feature; then it takes its place in the stitched stream, in the samples whose setting says so,
 * and the streams go on to the next position.
 *
 * Nothing is computed twice: the network is cut after the features of each position (of several, where these do not depend on
 * each other) into stages. What a stage computes and a later one reads is kept by the host in between.
 */
export interface FitStage {
  /** Computes the statistics of this stage's positions (`StitchFit` takes them), and what later stages read. All extents are numbers. */
  readonly graph: Graph;
  /** The stitches that are fitted when the stage has run. */
  readonly stitches: readonly Stitch[];
  /** Outputs of the graph that later stages read, as inputs of the same names. */
  readonly keeps: readonly string[];
  /** What no stage after this one reads. */
  readonly drops: readonly string[];
}

/**
 * The stages of a network for a batch of known size: `binding` binds all symbols of its inputs. Their inputs are the images, the
 * settings (`settingInput`: each sample's weight on the originals of a position; `sourcesInput`), the parameters of stitches that earlier
 * stages fitted, and what earlier stages keep. `images` is the number of images in all batches.
 */
export function fitStages(network: SuperNetwork, binding: Binding, images: number): readonly FitStage[] {
  const data = { binding, images };
  const graph = simplify(specialize(fitGraph(network, data), binding));
  const statisticsIn = (stitch: Stitch): readonly Output[] =>
    statisticNames(stitch, formOf(stitch, data)).map(name => ({ name, value: graph.output(name) }));
  const stageOf = stagesOf(network, graph, statisticsIn);
  const at = (value: Value): number => stageOf.get(value)!;
  const lastRead = new Map<Value, number>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input && !input.constant) lastRead.set(input, Math.max(lastRead.get(input) ?? 0, at(node.outputs[0])));
    }
  }
  // Features that are equal share statistics, which then come with the first of their positions and wait for the others.
  const fittedAt = new Map(network.stitches.map(s => [s, Math.max(...statisticsIn(s).map(({ value }) => at(value)))]));
  for (const [stitch, stage] of fittedAt) {
    for (const { value } of statisticsIn(stitch)) {
      if (at(value) < stage) lastRead.set(value, Math.max(lastRead.get(value) ?? 0, stage));
    }
  }
  const count = 1 + Math.max(...fittedAt.values());
  return Array.from({ length: count }, (_, s): FitStage => {
    const nodes = graph.nodes.filter(node => at(node.outputs[0]) === s);
    const kept = nodes.flatMap(n => n.outputs).filter(v => (lastRead.get(v) ?? 0) > s);
    const stitches = network.stitches.filter(stitch => fittedAt.get(stitch) === s);
    const statistics = stitches.flatMap(statisticsIn);
    return {
      graph: partOf(`fit ${s}`, nodes, [...statistics, ...kept.map(value => ({ name: value.name, value }))]),
      stitches,
      keeps: kept.map(v => v.name),
      drops: [...lastRead].flatMap(([value, last]) => (last === s ? [value.name] : [])),
    };
  });
}

/** Both streams through the whole network, with the statistics of every stitch. */
function fitGraph(network: SuperNetwork, data: FitData): Graph {
  const b = new GraphBuilder('sequential fit');
  const draft = newDraft(network, b, 'position');
  const stitchOf = new Map(network.stitches.map(s => [s.output, s]));
  const originalOf = new Map(network.switches.map(s => [`${s.position}/${s.parent}`, s.original]));
  doubleStreams(draft, network.switches, {
    onNode(node, { reference, stitched }) {
      const stitch = stitchOf.get(node.outputs[0]);
      if (!stitch) return;
      const x = stitched.read(stitch.source)!;
      const y = reference.read(originalOf.get(`${stitch.position}/${stitch.to}`)!)!;
      for (const [key, value] of statisticsOf(b, formOf(stitch, data), x, y))
        b.output(statisticName(stitch, key), value);
    },
  });
  return b.build();
}

/**
 * When each value is computed. A position's statistics come in the first stage in which all that they read can be there: parameters
 * of stitches are, one stage after the statistics of their position. Everything else is computed when it is first read, so that
 * little has to be kept: the reference could run ahead to its end.
 */
function stagesOf(
  network: SuperNetwork,
  graph: Graph,
  statisticsIn: (stitch: Stitch) => readonly Output[],
): ReadonlyMap<Value, number> {
  const earliest = earliestStages(network, graph, statisticsIn);
  const stages = new Map<Value, number>();
  const read = (value: Value, stage: number) => stages.set(value, Math.min(stages.get(value) ?? stage, stage));
  for (const { id } of network.positions) {
    const statistics = network.stitches
      .filter(s => s.position === id)
      .flatMap(statisticsIn)
      .map(({ value }) => value);
    const stage = Math.max(...statistics.map(v => earliest.get(v)!));
    for (const value of statistics) read(value, stage);
  }
  for (const node of graph.nodes.toReversed()) {
    const stage = Math.min(...node.outputs.flatMap(o => stages.get(o) ?? []));
    for (const output of node.outputs) stages.set(output, stage);
    for (const input of node.inputs) if (input && !input.constant) read(input, stage);
  }
  return stages;
}

/** The first stage in which each value can be computed. */
function earliestStages(
  network: SuperNetwork,
  graph: Graph,
  statisticsIn: (stitch: Stitch) => readonly Output[],
): ReadonlyMap<Value, number> {
  const statistics = new Map<number, Value[]>();
  const parameters = new Map<Value, number>();
  for (const stitch of network.stitches) {
    const own = statisticsIn(stitch).map(({ value }) => value);
    statistics.set(stitch.position, [...(statistics.get(stitch.position) ?? []), ...own]);
    for (const name of [stitch.weight, stitch.bias]) parameters.set(graph.input(name), stitch.position);
  }
  const reads = (value: Value): readonly Value[] => {
    const position = parameters.get(value);
    if (position !== undefined) return statistics.get(position)!;
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
