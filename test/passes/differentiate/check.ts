import { expect } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { float32, numbersOf, type Tensor } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { type Numbers, random, session } from '../ort.ts';

export type Draw = (random: () => number, i: number) => number;

/** Between -1.5 and 1.5. */
export const smooth: Draw = r => 3 * r() - 1.5;
/** Positive, away from zero. */
export const positive: Draw = r => 0.5 + r();
/** Inside (-1, 1). */
export const inside: Draw = r => 1.6 * r() - 0.8;
/** Away from every multiple of one half, so that no difference steps over a kink. */
export const unkinked: Draw = r => Math.floor(16 * r() - 8) * 0.5 + 0.15 + 0.2 * r();
/** All different, by more than a difference can bridge: no ties in maxima. */
export const distinct: Draw = (_r, i) => ((i * 37) % 101) * 0.4 - 20;

export interface Operand {
  readonly shape: readonly number[];
  readonly draw?: Draw;
  /** A frozen operand is a constant and gets no gradient. */
  readonly frozen?: boolean;
}

export interface CheckOptions {
  readonly seed?: number;
  readonly step?: number;
  readonly tolerance?: number;
  /** Computes in JavaScript, for operators that ONNX Runtime has no kernel for. */
  readonly reference?: boolean;
}

/** A graph of known extents, run in JavaScript. */
const evaluated =
  (graph: Graph) =>
  async (feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Numbers>> =>
    Object.fromEntries(
      Array.from(evaluateGraph(graph, feeds), ([name, t]) => [
        name,
        { shape: t.shape, data: Float64Array.from(numbersOf(t)) },
      ]),
    );

/**
 * Compares the gradient of `Σ seed · y` with central differences, extrapolated, along random directions. The sum is taken here, in
 * double precision, so that ONNX Runtime's float32 costs only the rounding of `y`.
 */
export async function checkGradient(
  operands: readonly Operand[],
  build: (b: GraphBuilder, inputs: readonly Value[]) => Value,
  { seed = 1, step = 0.02, tolerance = 2e-3, reference = false }: CheckOptions = {},
): Promise<void> {
  const draw = random(seed);
  const tensors = operands.map(({ shape, draw: by = smooth }): Tensor<'float32'> => {
    const size = shape.reduce((x, y) => x * y, 1);
    return float32(
      shape,
      Float32Array.from({ length: size }, (_, i) => by(draw, i)),
    );
  });
  const b = new GraphBuilder('check');
  const inputs = operands.map(({ shape, frozen }, i) =>
    frozen ? b.constant(tensors[i], `x${i}`) : b.input(`x${i}`, { dtype: 'float32', shape }),
  );
  const y = build(b, inputs);
  const extents = y.type.shape as readonly number[];
  const size = extents.reduce((p, q) => p * q, 1);
  const weights = float32(
    extents,
    Float32Array.from({ length: size }, () => smooth(draw, 0)),
  );
  b.output('y', y);
  b.output('loss', b.op('ReduceSum', [b.op('Mul', [y, b.constant(weights, 'seed')])], { keepdims: 0 }));
  const parameters = inputs.filter(v => !v.constant).map(v => v.name);
  const { graph, gradients } = differentiate(b.build(), { loss: 'loss', parameters });
  const run = reference ? evaluated(verify(graph)) : await session(verify(graph));

  const feeds = Object.fromEntries(tensors.map((t, i) => [`x${i}`, t]));
  const directions = tensors.map(t => Float64Array.from(t.data, () => (draw() < 0.5 ? -1 : 1)));
  const lossAt = async (h: number): Promise<number> => {
    const moved = tensors.map((t, i) =>
      operands[i].frozen
        ? t
        : float32(
            t.shape,
            Float32Array.from(t.data, (v, k) => v + h * directions[i][k]),
          ),
    );
    const result = await run(Object.fromEntries(moved.map((t, i) => [`x${i}`, t])));
    return result.y.data.reduce((sum, v, k) => sum + v * weights.data[k], 0);
  };
  const central = async (h: number): Promise<number> => ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  const numeric = (4 * (await central(step)) - (await central(2 * step))) / 3;

  const result = await run(feeds);
  let [analytic, scale] = [0, 1e-3];
  for (const name of parameters) {
    const i = Number(name.slice(1));
    const gradient = result[gradients.get(name)!];
    expect(gradient.shape).toEqual(tensors[i].shape);
    for (const [k, g] of gradient.data.entries()) {
      analytic += g * directions[i][k];
      scale += g * g;
    }
  }
  // The directional derivative of a random direction is of the size of the gradient's norm.
  expect(Math.abs(analytic - numeric) / Math.sqrt(scale)).toBeLessThan(tolerance);
}
