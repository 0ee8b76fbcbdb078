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
  tensorFromNumbers,
  tensorType,
  typeText,
  Value,
} from '../ir/index.ts';

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
  const inferred = rewrite(graph, () => undefined, { inputs });
  const known = rewrite(inferred, (node, to) => {
    const tensors = node.outputs.map(knownTensor);
    if (!tensors.every(t => t !== undefined)) return undefined;
    return tensors.map((t, i) => to.constant(t, node.outputs[i].name));
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

/** The value as a constant, when every element is known. */
export function knownTensor(value: Value): Tensor | undefined {
  const { elements, type } = value;
  const shape = staticShape(type.shape);
  if (!elements || !shape || !elements.every(isStatic)) return undefined;
  return tensorFromNumbers(type.dtype, shape, elements as readonly number[]);
}
