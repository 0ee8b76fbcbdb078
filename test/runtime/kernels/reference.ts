/** The plainest way to compute what the kernels compute, in double precision. */
import { product } from '../../../ir/numbers.ts';
import { axesOf, type ConvSpec } from '../../../runtime/kernels/conv-spec.ts';
import type { MatMulSpec } from '../../../runtime/kernels/matmul-spec.ts';

/** Convolution as a scatter of every input through every tap, or transposed, of every output. */
export function referenceConv(spec: ConvSpec, x: Float32Array, w: Float32Array, bias?: Float32Array): Float32Array {
  const [depth, height, width] = axesOf(spec);
  const axes = [depth, height, width] as const;
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const positions = product(spec.output);
  const y = new Float64Array(spec.batch * spec.outChannels * positions);
  // Along one axis: the pairs of an input and an output that a tap connects.
  const pairs = axes.map(({ input, output, kernel, stride, dilation, pad }) => {
    const list: { i: number; o: number; k: number }[] = [];
    for (let k = 0; k < kernel; k++) {
      // What is the input of a convolution is the output of a transposed one.
      for (let small = 0; small < (spec.transposed ? input : output); small++) {
        const large = small * stride + k * dilation - pad;
        if (large < 0 || large >= (spec.transposed ? output : input)) continue;
        list.push(spec.transposed ? { i: small, o: large, k } : { i: large, o: small, k });
      }
    }
    return list;
  });
  for (let n = 0; n < spec.batch; n++) {
    for (let oc = 0; oc < spec.outChannels; oc++) {
      const g = Math.floor(oc / groupOut);
      const to = (n * spec.outChannels + oc) * positions;
      for (let ic = 0; ic < groupIn; ic++) {
        const from = (n * spec.inChannels + g * groupIn + ic) * product(spec.input);
        const pair = spec.transposed ? (g * groupIn + ic) * groupOut + (oc % groupOut) : oc * groupIn + ic;
        for (const d of pairs[0]) {
          for (const h of pairs[1]) {
            for (const v of pairs[2]) {
              const input = (d.i * height.input + h.i) * width.input + v.i;
              const output = (d.o * height.output + h.o) * width.output + v.o;
              const tap = ((pair * depth.kernel + d.k) * height.kernel + h.k) * width.kernel + v.k;
              y[to + output] += x[from + input] * w[tap];
            }
          }
        }
      }
      if (bias) for (let p = 0; p < positions; p++) y[to + p] += bias[oc];
    }
  }
  return Float32Array.from(y);
}

export function referenceMatMul(spec: MatMulSpec, a: Float32Array, b: Float32Array, c?: Float32Array): Float32Array {
  const { m, n, k, batch } = spec;
  const y = new Float32Array(product(batch) * m * n);
  for (let e = 0; e < product(batch); e++) {
    const at: number[] = [];
    let rest = e;
    for (const size of [...batch].reverse()) {
      at.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    const start = (strides: readonly number[]) => strides.reduce((sum, stride, i) => sum + stride * at[i], 0);
    const [startA, startB] = [start(spec.a.batch), start(spec.b.batch)];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0; l < k; l++) {
          const left = a[startA + i * spec.a.row + l * spec.a.column];
          sum += left * b[startB + l * spec.b.row + j * spec.b.column];
        }
        sum *= spec.alpha;
        if (spec.c && c) sum += spec.c.beta * c[start(spec.c.batch) + i * spec.c.row + j * spec.c.column];
        y[(e * m + i) * n + j] = sum;
      }
    }
  }
  return y;
}
