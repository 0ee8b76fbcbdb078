import { attr, type Inferred, operator, reject } from '../operator.ts';

export const fusion = {
  /**
   * A region of nodes that one kernel computes: at most one anchor (a convolution, a matrix product, a normalisation, ...) with
   * elementwise nodes around it. `body` has the node's operands as inputs, in order.
   */
  Fused: operator({
    inputs: ['...inputs'],
    outputs: ['...outputs'],
    attributes: { body: attr.graph.required },
    versions: [1],
    infer(inputs, { body }): readonly Inferred[] {
      if (inputs.length !== body.inputs.length)
        reject(`the body has ${body.inputs.length} inputs, not ${inputs.length}`);
      return body.outputs.map(o => o.value.type);
    },
  }),
};
