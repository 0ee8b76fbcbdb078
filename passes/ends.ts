/** Graphs that are changed at their ends: what is done to the images first, and to the answer last. */
import { type Graph, GraphBuilder, rewrite, type Shape, Value } from '../ir/index.ts';

/**
 * A network whose readers of the first input read what is made of it:
 *
 *     %y = Conv(%x, ...)      →      %made = Mul(%x, ...)
 *                                    %y = Conv(%made, ...)
 *
 * @param scope that names of new nodes begin with.
 * @param shape of the new input, where it is another one; what is made of it must be as the old one was.
 */
export function atInput(
  graph: Graph,
  scope: string,
  make: (to: GraphBuilder, input: Value) => Value,
  shape?: Shape,
): Graph {
  const [old] = graph.inputs;
  const input = shape ? new Value(old.name, { ...old.type, shape }) : old;
  let made: Value | undefined;
  return rewrite(
    graph,
    (node, to) => {
      if (!node.inputs.includes(input)) return undefined;
      made ??= to.scope(scope, () => make(to, input));
      return to.reinfer({ ...node, inputs: node.inputs.map(v => (v === input ? made : v)) } as typeof node);
    },
    { inputs: new Map([[old.name, input]]) },
  );
}

/** A builder of what a network computes and more; its outputs are still to be named. */
export function continued(graph: Graph): GraphBuilder {
  const to = new GraphBuilder(graph.name, graph.info);
  for (const value of graph.values()) {
    to.reserveSymbols(value.type);
    to.reserve(value.name);
  }
  for (const input of graph.inputs) to.adoptInput(input);
  for (const node of graph.nodes) to.adopt(node);
  return to;
}

/** A network that gives what is made of its first output, under the same name. */
export function atOutput(graph: Graph, scope: string, make: (to: GraphBuilder, output: Value) => Value): Graph {
  const to = continued(graph);
  const [{ name, value }, ...others] = graph.outputs;
  to.output(
    name,
    to.scope(scope, () => make(to, value)),
  );
  for (const other of others) to.output(other.name, other.value);
  return to.build();
}
