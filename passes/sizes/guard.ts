import { type Graph, linearOf, rewrite, type Shape, type Value } from '../../ir/index.ts';

/**
 * A network that refuses images of other sizes than the multiples that its first input is typed for, whatever runs it:
 *
 *     %y = Conv(%x, ...)      →      %sizes = Shape(%x)                          of [N, 3, 32·H, 32·W]
 *                                    %kept = Mul(Div(%sizes, [1, 1, 32, 32]), [1, 1, 32, 32])
 *                                    %y = Conv(Reshape(%x, %kept), ...)          nothing is moved
 *
 * A runtime does not know what sizes are assumed. Features that are one place and two places wide at an odd size would be broadcast where
 * they meet, and give a wrong answer without a word; a Reshape to another number of elements is an error everywhere.
 *
 * `demanded`: what the network's own layers enforce, as shapes of this input. The same object where they enforce all.
 */
export function guardSizes(graph: Graph, demanded: readonly Shape[]): Graph {
  const [input] = graph.inputs;
  const factors = input.type.shape.map((dim, axis) => {
    const factor = linearOf(dim)?.factor ?? 1;
    return demanded.some(shape => (linearOf(shape[axis])?.factor ?? 1) % factor === 0) ? 1 : factor;
  });
  if (factors.every(factor => factor === 1)) return graph;
  let guarded: Value | undefined;
  return rewrite(graph, (node, to) => {
    if (!node.inputs.includes(input)) return undefined;
    guarded ??= to.scope('sizes', () => {
      const multiples = to.ints(factors);
      const kept = to.op('Mul', [to.op('Div', [to.op('Shape', [input]), multiples]), multiples]);
      return to.op('Reshape', [input, kept], { allowzero: 1 });
    });
    return to.reinfer({ ...node, inputs: node.inputs.map(v => (v === input ? guarded : v)) } as typeof node);
  });
}
