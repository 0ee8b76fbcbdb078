/** Small U-Nets with one skip, joined at every feature, and data for them. */
import { type Graph, GraphBuilder, symbol, type Value } from '../../../../ir/index.ts';
import { type FeaturePair, kaimingStitches, meaningOf, type SuperNetwork, stitch } from '../../../../passes/index.ts';
import type { Dataset } from '../../../../src/data/dataset.ts';
import { LabelledData } from '../../../../src/metrics/labelled.ts';
import { networkOf, type TrainedNetwork } from '../../../../src/network/network.ts';
import { draw } from '../../../passes/networks.ts';
import { random } from '../../../passes/ort.ts';

export const side = 8;

/** `e1`, at half the size `e2`, `up`, and from `e1` beside `up` `d1`: positions 0 to 3. */
export function unet(seed: number, width: number): Graph {
  const next = random(seed);
  const b = new GraphBuilder(`net${seed}`);
  const weight = (...shape: number[]): Value => b.constant(draw(next, ...shape), 'w');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, side, side] });
  const conv = (value: Value, channels: number, to: number, strides: readonly number[], name: string): Value =>
    b.op(
      'Relu',
      [b.op('Conv', [value, weight(to, channels, 3, 3), weight(to)], { pads: [1, 1, 1, 1], strides })],
      {},
      { name, outputs: [name] },
    );
  const e1 = conv(x, 1, width, [1, 1], 'e1');
  const e2 = conv(e1, width, 2 * width, [2, 2], 'e2');
  const up = b.op(
    'ConvTranspose',
    [e2, weight(2 * width, width, 2, 2), weight(width)],
    { strides: [2, 2] },
    { name: 'up', outputs: ['up'] },
  );
  const d1 = conv(b.op('Concat', [e1, up], { axis: 1 }), 2 * width, width, [1, 1], 'd1');
  b.output('logits', b.op('Conv', [d1, weight(2, width, 1, 1), weight(2)]));
  return b.build();
}

const features = ['e1', 'e2', 'up', 'd1'];

/** U-Nets of these widths, all with all, and stitches drawn at random. */
export function unets(
  widths: readonly number[],
  at: readonly string[] = features,
): TrainedNetwork & { readonly network: SuperNetwork } {
  const parents = widths.map((width, i) => ({ tag: 'abc'[i], graph: unet(i + 1, width) }));
  const pairs = at.map((name): FeaturePair => ({ features: Object.fromEntries(parents.map(p => [p.tag, name])) }));
  const network = stitch(parents, pairs);
  return { network, parameters: kaimingStitches(network, random(7)) };
}

/** Images whose labels are where they are bright. */
export function labelled(seed: number, count = 3): LabelledData {
  const images = draw(random(seed), count, 1, side, side);
  const dataset: Dataset = {
    source: `images${seed}.npz`,
    count,
    images: Float32Array.from(images.data),
    imageShape: [1, side, side],
    labels: {
      data: Uint8Array.from(images.data, v => (v > 0.1 ? 1 : 0)),
      shape: [side, side],
      ignore: undefined,
      regions: undefined,
      task: undefined,
    },
    arrays: ['images', 'labels'],
  };
  const graph = unet(1, 2);
  return LabelledData.for([networkOf(graph, 'a', meaningOf(graph, graph.outputs[0].value))], dataset);
}
