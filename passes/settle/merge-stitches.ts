import { type AnyNode, inputAt, isOp, nodeWith, staticShape, tensorFromNumbers } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import { convTransposeWindow, convWindow } from '../../ir/ops/linear.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { inPlace, nodeNamed, type Rule, readOnce } from '../simplify/rule.ts';
import { type LayerParameters, numbers, withParameters } from '../simplify/scaled-layer.ts';

/**
 * Two linear layers in a row, one of them a stitch, become one where that is exact and costs no more multiplications:
 *
 *     Stitch(Conv(%x, K, k), W, c)    →  Conv(%x, W·K, W·k + c)
 *     Conv(Stitch(%x, W, c), K, k)    →  Conv(%x, K·W, K·c + k)      where the Conv pads nothing
 *
 * The same with ConvTranspose (before the stitch), Gemm, and another stitch. Nothing else may read what lies between.
 */
export const mergeStitches: Rule = (node, to, graph) => {
  const inner = node.inputs[0] && to.producer(node.inputs[0]);
  if (!inner || !(isOp(node, 'Stitch') || isOp(inner, 'Stitch'))) return undefined;
  const original = nodeNamed(graph, node.name);
  if (!original || !readOnce(graph, inputAt(original, 0))) return undefined;
  const merged = isOp(node, 'Stitch') ? afterLayer(inner, node) : beforeLayer(inner, node);
  if (!merged) return undefined;
  const layer = isOp(node, 'Stitch') ? inner : node;
  const named = nodeWith(layer, {
    name: node.name,
    outputs: node.outputs,
    inputs: [inner.inputs[0], layer.inputs[1], layer.inputs[2]],
    origin: layer.origin,
  });
  return inPlace(
    to,
    withParameters(named, merged, (tensor, name) => to.constant(tensor, name)),
  );
};

/** `left` [m, c] times `right` [c, n], row-major. */
function matrixProduct(left: Float64Array, right: Float64Array, m: number, c: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < c; k++) {
      const factor = left[i * c + k];
      for (let j = 0; j < n; j++) result[i * n + j] += factor * right[k * n + j];
    }
  }
  return result;
}

const plus = (a: Float64Array, b: Float64Array | undefined): Float64Array => (b ? a.map((v, i) => v + b[i]) : a);

function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
}

/** Parameters in double precision, with the weight's shape; undefined when they are not constant. */
function parametersOf(layer: AnyNode) {
  const [, w, b] = layer.inputs;
  const [weight, bias] = [numbers(w), numbers(b)];
  const shape = w && staticShape(w.type.shape);
  return weight && shape && !(b && !bias) ? { weight, bias, shape, dtype: w.type.dtype } : undefined;
}

/** A layer and then a stitch [M, C], as one layer. */
function afterLayer(layer: AnyNode, stitch: AnyNode): LayerParameters | undefined {
  const [first, second] = [parametersOf(layer), parametersOf(stitch)];
  if (!first || !second) return undefined;
  const [m, c] = second.shape;
  const { dtype } = first;
  const bias = plus(
    first.bias ? matrixProduct(second.weight, scaledBias(layer, first.bias), m, c, 1) : new Float64Array(m),
    second.bias,
  );
  const made = (weight: Float64Array, shape: readonly number[], attributes: object = {}): LayerParameters => ({
    weight: tensorFromNumbers(dtype, shape, weight),
    bias: tensorFromNumbers(dtype, [m], bias),
    attributes,
  });
  const kernel = first.shape.slice(2);
  const taps = product(kernel);
  // A stitch takes rank 3 for tokens, whose channels are not a 1-D convolution's.
  if (kernel.length === 1) return undefined;
  switch (layer.op) {
    case 'Conv': {
      const inputs = first.shape[1];
      if (layer.attributes.group !== 1 || inputs * taps * m > inputs * taps * c + c * m) return undefined;
      return made(matrixProduct(second.weight, first.weight, m, c, inputs * taps), [m, inputs, ...kernel]);
    }
    case 'ConvTranspose': {
      const [inputs] = first.shape;
      const shape = staticShape(inputAt(layer, 1).type.shape)!;
      const { strides } = convTransposeWindow(layer.attributes, inputAt(layer, 0).type.shape, shape);
      const perOutput = (inputs * taps) / product(strides);
      if (layer.attributes.group !== 1 || perOutput * m > perOutput * c + c * m) return undefined;
      const weight = new Float64Array(inputs * m * taps);
      for (let i = 0; i < inputs; i++) {
        const row = first.weight.subarray(i * c * taps, (i + 1) * c * taps);
        weight.set(matrixProduct(second.weight, row, m, c, taps), i * m * taps);
      }
      return made(weight, [inputs, m, ...kernel]);
    }
    case 'Stitch': {
      const inputs = first.shape[1];
      if (inputs * m > inputs * c + c * m) return undefined;
      return made(matrixProduct(second.weight, first.weight, m, c, inputs), [m, inputs]);
    }
    case 'Gemm': {
      const { transA, transB } = layer.attributes;
      const inputs = first.shape[transB ? 1 : 0];
      if (transA || (first.bias && first.bias.length !== c) || inputs * m > inputs * c + c * m) return undefined;
      const rows = transB ? first.weight : transposed(first.weight, inputs, c);
      return made(matrixProduct(second.weight, rows, m, c, inputs), [m, inputs], { transB: 1, beta: 1 });
    }
    default:
      return undefined;
  }
}

/** A Gemm's bias counts `beta` times; its weight `alpha` times, which stays in the attribute. */
function scaledBias(layer: AnyNode, bias: Float64Array): Float64Array {
  return isOp(layer, 'Gemm') ? bias.map(v => v * layer.attributes.beta) : bias;
}

/** A stitch [M, C] and then a layer, as one layer. */
function beforeLayer(stitch: AnyNode, layer: AnyNode): LayerParameters | undefined {
  const [first, second] = [parametersOf(stitch), parametersOf(layer)];
  if (!first || !second) return undefined;
  const [m, c] = first.shape;
  const { dtype } = second;
  switch (layer.op) {
    case 'Conv': {
      const [outputs, , ...kernel] = second.shape;
      const taps = product(kernel);
      const window = convWindow(layer.attributes, inputAt(layer, 0).type.shape, second.shape);
      const perInput = (taps * outputs) / product(window.strides);
      // In the padding the stitch would have given its bias, and the merged layer gives zero.
      if (layer.attributes.group !== 1 || window.pads.some(p => p !== 0)) return undefined;
      if (channelAxis(kernel.length + 2) !== 1 || c * perInput > c * m + m * perInput) return undefined;
      const weight = new Float64Array(outputs * c * taps);
      const constant = new Float64Array(outputs);
      for (let o = 0; o < outputs; o++) {
        const rows = second.weight.subarray(o * m * taps, (o + 1) * m * taps);
        weight.set(matrixProduct(transposed(first.weight, m, c), rows, c, m, taps), o * c * taps);
        for (let i = 0; i < m * taps; i++) constant[o] += rows[i] * first.bias![Math.floor(i / taps)];
      }
      return {
        weight: tensorFromNumbers(dtype, [outputs, c, ...kernel], weight),
        bias: tensorFromNumbers(dtype, [outputs], plus(constant, second.bias)),
        attributes: {},
      };
    }
    case 'Gemm': {
      const { transA, transB, alpha, beta } = layer.attributes;
      const outputs = second.shape[transB ? 0 : 1];
      if (transA || (second.bias && second.bias.length !== outputs) || c * outputs > c * m + m * outputs)
        return undefined;
      const rows = transB ? second.weight : transposed(second.weight, m, outputs);
      const constant = matrixProduct(rows, first.bias!, outputs, m, 1).map(v => v * alpha);
      return {
        weight: tensorFromNumbers(dtype, [outputs, c], matrixProduct(rows, first.weight, outputs, m, c)),
        bias: tensorFromNumbers(
          dtype,
          [outputs],
          plus(
            constant,
            second.bias?.map(v => v * beta),
          ),
        ),
        attributes: { transB: 1, beta: 1 },
      };
    }
    default:
      return undefined;
  }
}
