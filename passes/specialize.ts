import {
  type Binding,
  type Dim,
  type Graph,
  isStatic,
  printable,
  rewrite,
  SutureError,
  staticShape,
  substitute,
  type Tensor,
  tensorType,
  typeText,
  Value,
} from '../ir/index.ts';
import { withBudget } from '../ir/limits.ts';
import { foldConstants, foldingBudget } from './simplify/fold-constants.ts';
import { removeDeadCode } from './simplify/remove-dead-code.ts';

/**
 * Binds symbols to numbers, and inputs to constants where these are given, and infers every type anew.
 *
 * Guarantees: every shape is static, and integer values whose elements are known before the run are constants. Returns the
 * same object when there was nothing to bind.
 *
 * @throws SutureError `option-invalid` when a symbol is bound to no positive integer, `data-invalid` when a constant does not
 * fit its input, `graph-invalid` when a value still has an unknown extent, because it depends on data or on a symbol that was
 * not bound; the first such value is named.
 */
export function specialize(graph: Graph, binding: Binding, constants: ReadonlyMap<string, Tensor> = new Map()): Graph {
  for (const [name, size] of Object.entries(binding)) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new SutureError(
        'option-invalid',
        `The symbol '${printable(name)}' was bound to ${size}; a dimension is a positive integer.`,
      );
    }
  }
  const inputs = new Map<string, Value>();
  for (const input of graph.inputs) {
    const given = constants.get(input.name);
    const shape = input.type.shape.map(dim => substitute(dim, binding));
    if (given) inputs.set(input.name, bound(input, given, shape));
    else if (!staticShape(input.type.shape)) {
      inputs.set(input.name, new Value(input.name, { dtype: input.type.dtype, shape }));
    }
  }
  const known = withBudget(foldingBudget(graph), () => {
    const inferred = rewrite(graph, () => undefined, { inputs });
    // What was shape arithmetic on symbols is arithmetic on numbers now, and more shapes may follow from it.
    return removeDeadCode(rewrite(inferred, (node, to) => foldConstants(node, to, inferred)));
  });
  for (const value of known.values()) {
    if (!staticShape(value.type.shape)) {
      throw new SutureError(
        'graph-invalid',
        `The shape of '${printable(value.name)}' is not known before the run: ${typeText(value.type)}. Bind every symbol, and ` +
          'use a model whose shapes do not depend on the content of its inputs.',
      );
    }
  }
  return known;
}

function bound(input: Value, given: Tensor, shape: readonly Dim[]): Value {
  const fits =
    given.dtype === input.type.dtype &&
    given.shape.length === shape.length &&
    shape.every((dim, i) => !isStatic(dim) || dim === given.shape[i]);
  if (!fits) {
    throw new SutureError(
      'data-invalid',
      `The input '${printable(input.name)}' is ${typeText({ dtype: input.type.dtype, shape })}, but a ` +
        `${typeText(tensorType(given))} was given for it.`,
    );
  }
  return new Value(input.name, tensorType(given), { constant: given });
}
