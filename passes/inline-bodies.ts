import { bodyOf } from '../ir/bodies.ts';
import { type AnyNode, type Graph, inline, isSutureOp, type Node, rewrite, Value } from '../ir/index.ts';
import type { SutureOp } from '../ir/ops/index.ts';
import { simplify } from './simplify/simplify.ts';

/**
 * Replaces our own operators by their bodies, so that the graph is of ONNX's operators alone.
 *
 * Guarantees: no operator of the domain `suture`; inputs, outputs and the numbers on them stay. Returns the same object when
 * there was none.
 */
export function inlineBodies(graph: Graph): Graph {
  let inlined = graph;
  // The body of a Fused region may hold our operators in its turn.
  while (inlined.nodes.some(node => isSutureOp(node.op))) {
    inlined = rewrite(inlined, (node, to) => {
      if (!isSutureOp(node.op)) return undefined;
      const named = (inner: AnyNode): AnyNode => ({
        ...inner,
        name: `${node.name}/${inner.name}`,
        outputs: inner.outputs.map(o => new Value(`${node.name}/${o.name}`, o.type)),
        origin: inner.origin ?? node.origin,
      });
      return inline(
        bodyOf(node as Node<SutureOp>),
        node.inputs.map(v => v!),
        to,
        named,
      );
    });
  }
  return inlined === graph ? graph : simplify(inlined);
}
