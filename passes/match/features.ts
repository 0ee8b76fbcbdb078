import {
  type AnyNode,
  ancestors,
  type Dim,
  dimKey,
  type Graph,
  isFloat,
  isStatic,
  type Shape,
  specOf,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { type BranchGrid, shapeOnShared } from '../other-grid.ts';
import { createDag, type Dag, type Edge } from './dag.ts';
import { regroupedValues, restrictedValues } from './domains.ts';
import { positionalProgress } from './progress.ts';

/** A network as the matchers see it: activations and how they depend on each other. */
export interface FeatureGraph {
  /** What each vertex is: the graph's inputs first, then main node outputs in the order of the nodes. */
  readonly values: readonly Value[];
  /** All dependencies, through shape arithmetic as well: what acyclicity is about. */
  readonly dag: Dag;
  /** Positional progress of every vertex, along dataflow only; NaN where only shapes connect it. */
  readonly progress: Float64Array;
  /**
   * What a vertex can be paired with: two features are compatible iff their keys are equal. Undefined for what is never
   * matched: inputs, outputs, features that no stitch can be made for, those that must stay in a part of all numbers, and those
   * regrouped for a normalisation.
   */
  readonly keys: readonly (string | undefined)[];
  /** What each vertex is, for telling apart vertices that the edges do not: its operator, attributes and shape. */
  readonly descriptions: readonly string[];
}

/** Replaces the symbols of a dim by those that both networks share. */
export type DimMap = (dim: Dim) => Dim;

/**
 * The features of a network: the main output of every node, where that is a float tensor, depends on an input and is
 * needed for an output. Constants and shape arithmetic are no features; a path through them still orders the features at
 * its ends, but adds nothing to their distances.
 *
 * Compatible are features of the same dtype and rank whose dims are equal for every size of the input, all but the
 * channels: axis 1 of [N, C, spatial...] and of [N, C], the last of tokens [N, T, C]. Dims are compared as formulas. Where the batch
 * is a number, what has no extent for it (a mean over the batch) is never matched.
 *
 * @param grid where the features lie, if that is not where those of other networks do: then they are compared by their strides.
 */
export function featureGraph(graph: Graph, dims: DimMap = dim => dim, grid?: BranchGrid): FeatureGraph {
  const roots = graph.outputs.map(o => o.value);
  const values: Value[] = [...graph.inputs];
  const vertexOf = new Map<Value, number>(values.map((value, v) => [value, v]));
  const descriptions = values.map(value => `input ${shapeText(value.type.shape, dims)}`);
  const orderEdges: Edge[] = [];
  const flowEdges: Edge[] = [];
  // For values that are no vertices: the vertices that they come from, and those from which data (not only a shape) comes.
  const behind = new Map<Value, Dependence>();

  for (const node of ancestors(graph.nodes, roots)) {
    const from = joined(node, vertexOf, behind);
    if (from.order.size === 0) continue;
    const [main] = node.outputs;
    const isFeature = main !== undefined && isFloat(main.type.dtype) && from.flow.size > 0;
    if (isFeature) {
      const v = values.length;
      values.push(main);
      vertexOf.set(main, v);
      descriptions.push(`${node.op} ${attributeText(node)} ${shapeText(main.type.shape, dims)}`);
      for (const u of from.order) orderEdges.push([u, v]);
      for (const u of from.flow) flowEdges.push([u, v]);
    }
    for (const output of node.outputs) {
      if (isFeature && output === main) continue;
      // A further output of a feature's node comes with the feature; anything else stands for what it was made from.
      const flow = carriesData(node, output) ? from.flow : new Set<number>();
      behind.set(output, isFeature ? only(vertexOf.get(main)!) : { order: from.order, flow });
    }
  }

  const outputs = outputVertices(graph, vertexOf, behind);
  const inputs = graph.inputs.map((_, v) => v);
  const size = values.length;
  const unmatched = new Set([...restrictedValues(graph), ...regroupedValues(graph)]);
  const excluded = new Set([...inputs, ...outputs, ...values.flatMap((value, v) => (unmatched.has(value) ? [v] : []))]);
  const batch = dims(graph.inputs[0]?.type.shape[0] ?? 1);
  const progress = positionalProgress(createDag(size, flowEdges), inputs, outputs);
  return {
    values,
    dag: createDag(size, orderEdges),
    progress,
    keys: values.map((value, v) =>
      excluded.has(v) || Number.isNaN(progress[v]) ? undefined : compatibilityKey(value, batch, dims, grid),
    ),
    descriptions,
  };
}

/** Vertices that something comes from, by any path and by paths of data. */
interface Dependence {
  readonly order: ReadonlySet<number>;
  readonly flow: ReadonlySet<number>;
}

const only = (vertex: number): Dependence => ({ order: new Set([vertex]), flow: new Set([vertex]) });

function joined(
  node: AnyNode,
  vertexOf: ReadonlyMap<Value, number>,
  behind: ReadonlyMap<Value, Dependence>,
): Dependence {
  const order = new Set<number>();
  const flow = new Set<number>();
  for (const input of node.inputs) {
    if (input === undefined) continue;
    const vertex = vertexOf.get(input);
    const source = vertex === undefined ? behind.get(input) : only(vertex);
    for (const u of source?.order ?? []) order.add(u);
    for (const u of source?.flow ?? []) flow.add(u);
  }
  return { order, flow };
}

/** A shape, or a number computed from one, says nothing of the data. */
function carriesData(node: AnyNode, output: Value): boolean {
  return !specOf(node.op).measures && output.elements === undefined;
}

/** The features that are outputs; for an output that is no feature (a class number), those that it is made from. */
function outputVertices(
  graph: Graph,
  vertexOf: ReadonlyMap<Value, number>,
  behind: ReadonlyMap<Value, Dependence>,
): Set<number> {
  const vertices = new Set<number>();
  for (const { value } of graph.outputs) {
    const vertex = vertexOf.get(value);
    if (vertex !== undefined) vertices.add(vertex);
    else for (const u of behind.get(value)?.flow ?? []) vertices.add(u);
  }
  return vertices;
}

function compatibilityKey(
  { name, type }: Value,
  batch: Dim,
  dims: DimMap,
  grid: BranchGrid | undefined,
): string | undefined {
  const shape = shapeOnShared(name, type.shape, grid);
  if (!shape) return undefined;
  const rank = shape.length;
  if (rank < 2 || rank > 5) return undefined;
  const first = dims(shape[0]);
  if (isStatic(batch) && !(isStatic(first) && first % batch === 0)) return undefined;
  const channels = channelAxis(rank);
  // A stitch has a weight of this many columns.
  if (typeof shape[channels] !== 'number') return undefined;
  const rest = shape.map((dim, axis) => (axis === channels ? '·' : dimKey(dims(dim))));
  return `${type.dtype}[${rest.join(', ')}]`;
}

const shapeText = (shape: Shape, dims: DimMap): string => `[${shape.map(dim => dimKey(dims(dim))).join(', ')}]`;

/** Attributes that are numbers, words and lists of them; larger ones (tensors, graphs) say little and cost much. */
function attributeText(node: AnyNode): string {
  const parts = Object.entries(node.attributes).flatMap(([name, value]) =>
    typeof value === 'number' || typeof value === 'string' || Array.isArray(value) ? [`${name}=${String(value)}`] : [],
  );
  return parts.sort().join(' ');
}
