/** Small networks of one shape, joined at their only feature. */
import { type Graph, GraphBuilder, symbol, tensorFromNumbers } from '../../../ir/index.ts';
import { type StitchOptions, type SuperNetwork, stitch } from '../../../passes/index.ts';
import { draw } from '../networks.ts';
import { random, values } from '../ort.ts';

/** Logits of another scale, or networks in another dtype. */
interface Head {
  readonly scale?: number;
  readonly dtype?: 'float32' | 'float16';
}

/** Two layers, so that there is something to stitch; `channels` logits. */
export function parent(
  seed: number,
  channels: number,
  activation?: 'Softmax',
  { scale = 1, dtype = 'float32' }: Head = {},
): Graph {
  const next = random(seed);
  const b = new GraphBuilder(`net${seed}`);
  const x = b.input('x', { dtype, shape: [symbol('N'), 2, 4, 4] });
  const numbers = (factor: number, ...shape: number[]) => {
    const drawn = values(draw(next, ...shape)).map(v => v * factor);
    return b.constant(tensorFromNumbers(dtype, shape, drawn), 'w');
  };
  const weight = (...shape: number[]) => numbers(1, ...shape);
  const hidden = b.op('Conv', [x, weight(3, 2, 3, 3), weight(3)], { pads: [1, 1, 1, 1] }, { name: 'hidden' });
  const logits = b.op('Conv', [
    b.op('Relu', [hidden], {}, { name: 'act' }),
    numbers(scale, channels, 3, 1, 1),
    numbers(scale, channels),
  ]);
  b.output('logits', activation ? b.op(activation, [logits], { axis: 1 }) : logits);
  return b.build();
}

/** Networks by their seeds, each stitched to the first. */
export function joined(
  seeds: readonly number[],
  channels: number,
  activation?: 'Softmax',
  { scale, dtype, ...options }: Head & StitchOptions = {},
): SuperNetwork {
  const head = { ...(scale && { scale }), ...(dtype && { dtype }) };
  const parents = seeds.map((seed, p) => ({ tag: 'abcd'[p], graph: parent(seed, channels, activation, head) }));
  const pairs = parents.slice(1).flatMap(({ tag }) => [{ features: { a: 'act', [tag]: 'act' } }]);
  return stitch(parents, pairs, options);
}
