import { describe, expect, it } from 'vitest';
import { inputAt, numbersOf, type Tensor, tensorFromNumbers, verify } from '../../../ir/index.ts';
import {
  type ClosingFit,
  closingFit,
  match,
  type SuperNetwork,
  settingInput,
  settle,
  stitch,
  stitchedAt,
} from '../../../passes/index.ts';
import { random, runOrt, session } from '../ort.ts';
import { features, feeds, network, unet } from './networks.ts';

const batch = 3;
const last = features.length - 1;

const positions = features.map(name => ({
  features: { a: name, b: name },
  score: 1,
  progress: { a: 0.5, b: 0.5 },
}));
const parents = [
  { tag: 'a', graph: unet('a', 4, 1) },
  { tag: 'b', graph: unet('b', 3, 2) },
];
const networks: Readonly<Record<string, SuperNetwork>> = {
  softmax: network(),
  sigmoid: stitch(parents, positions, { activation: 'sigmoid' }),
  regression: stitch(parents, positions, { task: 'regression' }),
};

/** Stitches near what they imitate nothing of: any numbers do. */
function stitches(net: SuperNetwork): Map<string, Tensor> {
  const draw = random(11);
  return new Map(
    net.stitches.flatMap(({ weight, bias, inputChannels, outputChannels }) => [
      [weight, numbers([outputChannels, inputChannels], () => draw() - 0.5)],
      [bias, numbers([outputChannels], () => draw() - 0.5)],
    ]),
  );
}

const numbers = (shape: readonly number[], draw: () => number): Tensor =>
  tensorFromNumbers('float32', shape, Array.from({ length: shape.reduce((x, y) => x * y, 1) }, draw));

const settingsOf = (net: SuperNetwork, stitchedIds: readonly number[]): [string, Tensor][] =>
  net.positions.map(({ id }) => [
    settingInput(id),
    tensorFromNumbers('float32', [batch, 1, 1, 1], Array<number>(batch).fill(stitchedIds.includes(id) ? 0 : 1)),
  ]);

/** What `after` is fed with, the fitted stitches left out. */
async function prepared(net: SuperNetwork, fit: ClosingFit, stitchedIds: readonly number[]) {
  const { images } = feeds(net.graph, batch);
  const given = { images, ...Object.fromEntries([...stitches(net), ...settingsOf(net, stitchedIds)]) };
  const found = await runOrt(verify(fit.before), given);
  const kept = Object.entries(found).map(([name, { shape, data }]) => [
    name,
    tensorFromNumbers('float32', shape, Array.from(data)),
  ]);
  return { images, ...Object.fromEntries(kept) } as Record<string, Tensor>;
}

/** The networks' own outputs with these positions stitched. */
async function outputsOf(net: SuperNetwork, ids: readonly number[]): Promise<Float64Array[]> {
  const graph = settle(net, stitchedAt(net, ...ids), stitches(net), { parentOutputs: true });
  const found = await runOrt(verify(graph), { images: feeds(net.graph, batch).images });
  return net.parents.map(p => found[p.outputs[0]].data);
}

/** [3, 2, 8, 8] as pairs of logits. */
const places = (logits: Float64Array): [number, number][] =>
  Array.from({ length: batch * 64 }, (_, i) => {
    const at = Math.floor(i / 64) * 128 + (i % 64);
    return [logits[at], logits[at + 64]];
  });

const mean = (v: readonly number[]): number => v.reduce((x, y) => x + y, 0) / v.length;
const bernoulli = (x: number, target: number): number => {
  const [p, q] = [x, target].map(z => 1 / (1 + Math.exp(-z)));
  return q * Math.log(q / p) + (1 - q) * Math.log((1 - q) / (1 - p));
};

const divergences: Readonly<Record<string, (x: Float64Array, target: Float64Array) => number>> = {
  softmax: (x, target) => {
    const [p, q] = [places(x), places(target)];
    return mean(p.map((z, i) => bernoulli(z[1] - z[0], q[i][1] - q[i][0])));
  },
  sigmoid: (x, target) => mean(Array.from(x, (z, i) => bernoulli(z, target[i]))),
  regression: (x, target) => {
    const centre = mean(Array.from(target));
    const variance = mean(Array.from(target, t => (t - centre) ** 2));
    return mean(Array.from(x, (z, i) => (z - target[i]) ** 2)) / variance;
  },
};

describe.each(Object.entries(networks))('the closing fit of networks with %s outputs', (kind, net) => {
  const fit = closingFit(net, { N: batch })!;

  it('has the divergence of the outputs as its loss', async () => {
    const earlier = [0, 3];
    const found = await runOrt(verify(fit.after), {
      ...(await prepared(net, fit, earlier)),
      ...Object.fromEntries(stitches(net)),
    });
    const [stitched, reference] = [await outputsOf(net, [...earlier, last]), await outputsOf(net, [])];
    const want = stitched.reduce((sum, x, i) => sum + divergences[kind](x, reference[i]), 0);
    expect(found[fit.loss].data[0] / want).toBeCloseTo(1, 3);
  });

  it('has the gradient that differences of the loss show', async () => {
    const given = await prepared(net, fit, [1, 2]);
    const at = stitches(net);
    const run = await session(verify(fit.after));
    const found = await run({ ...given, ...Object.fromEntries(at) });
    const draw = random(5);
    for (const name of fit.parameters) {
      const gradient = found[fit.gradients.get(name)!].data;
      // Along one direction at a time: a sum of many differences stands out of float32's noise.
      const direction = Float64Array.from(gradient, () => draw() - 0.5);
      const slope = direction.reduce((sum, d, i) => sum + d * gradient[i], 0);
      const lossAt = async (step: number): Promise<number> => {
        const from = at.get(name)!;
        const moved = Array.from(numbersOf(from), (v, i) => v + step * direction[i]);
        const value = tensorFromNumbers('float32', from.shape, moved);
        return (await run({ ...given, ...Object.fromEntries(at), [name]: value }))[fit.loss].data[0];
      };
      const difference = ((await lossAt(1e-2)) - (await lossAt(-1e-2))) / 2e-2;
      const scale = Math.max(Math.abs(slope), 1e-2 * Math.hypot(...gradient));
      expect(Math.abs(difference - slope) / scale).toBeLessThan(2e-2);
    }
  });
});

describe('the closing fit', () => {
  it('is of the stitches that nothing is stitched after, and reads none of the others', () => {
    const fit = closingFit(network(), { N: batch })!;
    expect(new Set(fit.stitches.map(s => s.position))).toEqual(new Set([last]));
    expect(fit.parameters.length).toBe(4);
    expect(fit.before.inputs.map(v => v.name).filter(name => fit.parameters.includes(name))).toEqual([]);
    expect(
      fit.after.inputs
        .map(v => v.name)
        .filter(name => /^(setting|stitch)\//.test(name))
        .sort(),
    ).toEqual([...fit.parameters].sort());
  });

  it('leaves no convolution but the heads to what is evaluated often', () => {
    const { after } = closingFit(network(), { N: batch })!;
    const forward = after.nodes.filter(n => n.op === 'Conv' && inputAt(n, 1).type.shape[2] !== 1);
    expect(forward).toEqual([]);
  });

  it('takes both where a position of one network ends beside the other', () => {
    // Matched with itself a network has its own pairs; the last of them is the feature that its head reads.
    const graph = unet('a', 4, 1);
    const net = stitch(
      [
        { tag: 'a', graph },
        { tag: 'b', graph },
      ],
      match(graph, graph).pairs,
    );
    const fit = closingFit(net, { N: batch })!;
    expect(fit.stitches.map(s => `${s.from}-${s.to}`).sort()).toEqual(['a-b', 'b-a']);
  });
});
