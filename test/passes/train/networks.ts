import { GraphBuilder } from '../../../ir/builder.ts';
import { type Dim, symbol } from '../../../ir/dim.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { float32, type Tensor } from '../../../ir/tensor.ts';
import { type SuperNetwork, stitch } from '../../../passes/stitch.ts';
import { random } from '../ort.ts';

/** A U-Net of one step down and up: convolution, instance norm, leaky ReLU, with a skip by concatenation. */
export function unet(name: string, channels: number, seed: number, batch: Dim = symbol('N')): Graph {
  const b = new GraphBuilder(name);
  const draw = random(seed);
  const weight = (...shape: number[]): Value => {
    const size = shape.reduce((x, y) => x * y, 1);
    const scale = 2 / Math.sqrt(size / shape[0]);
    return b.constant(
      float32(
        shape,
        Float32Array.from({ length: size }, () => (draw() - 0.5) * scale),
      ),
      'w',
    );
  };
  const block = (x: Value, to: number, stride: number, at: string): Value => {
    const from = x.type.shape[1] as number;
    const attributes = { pads: [1, 1, 1, 1], strides: [stride, stride] };
    const conv = b.op('Conv', [x, weight(to, from, 3, 3), weight(to)], attributes, { name: `${at}/conv` });
    const norm = b.op('InstanceNormalization', [conv, weight(to), weight(to)], {}, { name: `${at}/norm` });
    return b.op('LeakyRelu', [norm], { alpha: 0.01 }, { name: `${at}/act` });
  };
  const x = b.input('images', { dtype: 'float32', shape: [batch, 1, 8, 8] });
  const top = block(x, channels, 1, 'top');
  const down = block(top, 2 * channels, 2, 'down');
  const up = b.op('ConvTranspose', [down, weight(2 * channels, channels, 2, 2)], { strides: [2, 2] }, { name: 'up' });
  const joined = block(b.op('Concat', [up, top], { axis: 1 }, { name: 'skip' }), channels, 1, 'joined');
  b.output('logits', b.op('Conv', [joined, weight(2, channels, 1, 1), weight(2)], {}, { name: 'head' }));
  return b.build();
}

export const features = ['top/conv', 'top/norm', 'top/act', 'down/conv', 'down/act', 'up', 'joined/norm', 'joined/act'];

/** Two U-Nets of different widths, stitched at the features above. */
export function network(batch?: Dim): SuperNetwork {
  const parents = [
    { tag: 'a', graph: unet('a', 4, 1, batch) },
    { tag: 'b', graph: unet('b', 3, 2, batch) },
  ];
  return stitch(
    parents,
    features.map(name => ({ features: { a: name, b: name }, score: 1, progress: { a: 0.5, b: 0.5 } })),
  );
}

/** Random values for inputs of a graph, with the batch that is asked for. */
export function feeds(graph: Graph, batch: number, seed = 7): Record<string, Tensor<'float32'>> {
  const draw = random(seed);
  return Object.fromEntries(
    graph.inputs.map(input => {
      const shape = input.type.shape.map(d => (typeof d === 'number' ? d : batch));
      const size = shape.reduce((x, y) => x * y, 1);
      return [
        input.name,
        float32(
          shape,
          Float32Array.from({ length: size }, () => draw() - 0.5),
        ),
      ];
    }),
  );
}
