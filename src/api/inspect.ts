/** A network described: the data behind `suture inspect`. */
import { type Graph, print, SutureError, typeText } from '../../ir/index.ts';
import { type OutputMeaning, sizesText } from '../../passes/index.ts';
import { flopsPerSample, parameterCount } from '../network/cost.ts';
import { interfaceOf } from '../network/interface.ts';
import { loadModel } from '../network/load.ts';
import { knownMeaning } from '../network/meaning.ts';
import { needsOf, needsTexts } from '../network/needs.ts';

export interface ModelFacts {
  readonly path: string;
  readonly sha256: string;
  readonly producer: string | undefined;
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
  /** `meaning`: what the file says of the one that is used, and otherwise what is usual. */
  readonly outputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly meaning: OutputMeaning | undefined;
  }[];
  /** Which sizes the layers of a network with open axes demand of its images; undefined where any will do, or one alone. */
  readonly sizes: string | undefined;
  /** By how often they occur. */
  readonly operators: readonly { readonly op: string; readonly count: number }[];
  readonly nodes: number;
  /** Elements of the floating-point constants. */
  readonly parameters: number;
  /** See `flopsPerSample`. Undefined where it depends on a size that the network leaves open. */
  readonly flops: number | undefined;
  /** How a case becomes its input, and what its output is called, in sentences. */
  readonly needs: readonly string[];
  /** What suture wrote into the file when it exported it. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  /** The graph in the form of `print`. */
  readonly text: string;
}

/** Reads a network and describes it. @throws SutureError as `loadModel`. */
export async function inspect(path: string): Promise<ModelFacts> {
  const { file: graph, graph: computed, sha256, warnings } = await loadModel(path);
  const used = computed.outputs[0]?.name;
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return {
    path,
    sha256,
    producer: graph.info.producer,
    inputs: graph.inputs.map(v => ({ name: v.name, type: typeText(v.type) })),
    outputs: graph.outputs.map(o => ({
      name: o.name,
      type: typeText(o.value.type),
      meaning: o.name === used ? knownMeaning(graph.with({ outputs: [o] })) : undefined,
    })),
    sizes: sizesText(computed.inputs[0]?.type.shape ?? []),
    operators: [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count),
    nodes: graph.nodes.length,
    parameters: parameterCount(graph),
    flops: flopsPerSample(graph),
    needs: needsTexts(needsOf(graph, path)),
    metadata: Object.fromEntries(
      Object.entries(graph.info.metadata ?? {}).filter(([key]) => key.startsWith('suture.')),
    ),
    warnings: [...warnings, ...unfit(computed, path)],
    text: print(graph),
  };
}

/** Why data files cannot be used with a network that can be read; none where they can. */
function unfit(graph: Graph, path: string): ModelFacts['warnings'] {
  try {
    interfaceOf(graph, path);
    return [];
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
    return [{ code: error.code, message: error.message }];
  }
}
