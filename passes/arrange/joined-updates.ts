import {
  type AnyNode,
  type Graph,
  GraphBuilder,
  type InputsOf,
  inputAt,
  isOp,
  type Node,
  staticShape,
  type Value,
} from '../../ir/index.ts';

type Update = Node<'AdamW'>;

/** Numbers of a parameter that is updated together with others: of larger ones the copies cost more than the operators do. */
const mostNumbers = 2 ** 18;

/**
 * Updates of many small parameters as one of them all, laid out one after another:
 *
 *     p', m', v' = AdamW(p, g, m, v); q', ... = AdamW(q, ...)   →   AdamW(Concat(p, q), Concat(g, h), ...), then Split
 *
 * A U-Net has biases and scales by the dozen, and for each an executor would run some fifteen operators on a few numbers.
 *
 * Requires: static shapes. Guarantees: the same numbers to the last bit; inputs, outputs and their names. Returns the same object where
 * there was nothing to join.
 */
export function joinUpdates(graph: Graph): Graph {
  const groups = new Map<string, Update[]>();
  for (const node of graph.nodes) {
    if (!isOp(node, 'AdamW') || !isJoined(graph, node)) continue;
    const { attributes, inputs } = node;
    const key = JSON.stringify([attributes, inputAt(node, 0).type.dtype, inputs.slice(4).map(v => v?.name)]);
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const together = [...groups.values()].filter(group => group.length > 1);
  if (together.length === 0) return graph;
  const apart = new Set<AnyNode>(together.flat());
  const b = new GraphBuilder(graph.name, graph.info);
  for (const constant of graph.constants()) b.reserve(constant.name);
  for (const input of graph.inputs) b.adoptInput(input);
  for (const node of graph.nodes) if (!apart.has(node)) b.adopt(node);
  const found = new Map(together.flatMap(group => joined(b, group)));
  for (const { name, value } of graph.outputs) b.output(name, found.get(value) ?? value);
  return b.build();
}

const sizeOf = ({ type: { shape } }: Value): number | undefined => staticShape(shape)?.reduce((p, q) => p * q, 1);

/** What a node reads on is updated where it stands. */
function isJoined(graph: Graph, update: Update): boolean {
  const size = sizeOf(inputAt(update, 0));
  return (
    size !== undefined && size <= mostNumbers && update.outputs.every(value => graph.consumers(value).length === 0)
  );
}

/** What takes the place of each output. */
function joined(b: GraphBuilder, group: readonly Update[]): readonly (readonly [Value, Value])[] {
  const [{ attributes, inputs }] = group;
  const row = b.ints([-1]);
  const [p, g, m, v] = [0, 1, 2, 3].map(i =>
    b.op(
      'Concat',
      group.map(node => b.op('Reshape', [inputAt(node, i), row])),
      { axis: 0 },
    ),
  );
  const [, , , , rate, bias1, bias2] = inputs as InputsOf<'AdamW'>;
  const updated = b.ops('AdamW', [p, g, m, v, rate, bias1, bias2], attributes, {
    outputs: ['next', 'next/m', 'next/v'],
  });
  const sizes = b.ints(group.map(update => sizeOf(inputAt(update, 0))!));
  return updated.flatMap((value, k) => {
    const names = group.map(({ outputs }) => `${outputs[k].name}/row`);
    const parts = b.ops('Split', [value, sizes], { axis: 0 }, { outputs: names });
    return group.map(({ outputs }, i) => {
      const old = outputs[k];
      const shape = b.ints(staticShape(old.type.shape)!);
      return [old, b.op('Reshape', [parts[i], shape], {}, { name: old.name })] as const;
    });
  });
}
