/** WebGPU as an executor of the backend tests: extents are bound, and what shapes depend on becomes constant. */
import { SutureError } from '../../ir/errors.ts';
import type { Graph } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { isFloat, staticShape } from '../../ir/type.ts';
import { arrange, simplify, specialize } from '../../passes/index.ts';
import type { Executor, Session } from '../../runtime/executor.ts';

/** The value of each symbol that stands alone as an extent of an input. */
function bindingOf(graph: Graph, inputs: ReadonlyMap<string, Tensor>): Record<string, number> {
  const binding: Record<string, number> = {};
  for (const { name, type } of graph.inputs) {
    for (const [i, dim] of type.shape.entries()) {
      if (typeof dim !== 'number') binding[dim.key] = inputs.get(name)!.shape[i];
    }
  }
  return binding;
}

/**
 * The inputs to be known before the run. The tests pass as inputs what a model holds as constants: axes, shapes, scales. First
 * none of them is taken for a constant, then integers, then all that is small.
 */
const levels: readonly ((t: Tensor) => boolean)[] = [
  () => false,
  t => !isFloat(t.dtype) && t.shape.length <= 1,
  t => t.shape.length <= 1,
];

export const runOnWebgpu =
  (executor: Executor) =>
  async (graph: Graph, inputs: ReadonlyMap<string, Tensor>): Promise<readonly Tensor[]> => {
    const binding = bindingOf(graph, inputs);
    let refusal: unknown;
    for (const known of levels) {
      const constants = new Map([...inputs].filter(([, t]) => known(t)));
      let session: Session;
      let bound: Graph;
      try {
        bound = arrange(simplify(specialize(graph, binding, constants)));
        const open = [...bound.values()].find(v => !staticShape(v.type.shape));
        if (open) throw new SutureError('kernel-missing', `the extents of '${open.name}' depend on data`);
        session = await executor.prepare(bound);
      } catch (error) {
        const refused =
          error instanceof SutureError && ['kernel-missing', 'graph-invalid', 'type-mismatch'].includes(error.code);
        if (!refused) throw error;
        refusal = error.code === 'kernel-missing' ? error : new SutureError('kernel-missing', error.message);
        continue;
      }
      try {
        const given = Object.fromEntries(bound.inputs.map(v => [v.name, inputs.get(v.name)!]));
        const results = await session.run(given);
        return graph.outputs.map(o => results[o.name]);
      } finally {
        session.dispose();
      }
    }
    throw refusal;
  };
