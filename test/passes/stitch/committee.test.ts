import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, verify } from '../../../ir/index.ts';
import {
  averagedAt,
  committee,
  gateOutput,
  gateShares,
  kaimingStitches,
  original,
  type Setting,
  type SuperNetwork,
  settingOfCommittee,
  settingTensors,
  settle,
  settleGated,
  settleSources,
  weightedAt,
  withOutputs,
} from '../../../passes/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { draw } from '../networks.ts';
import { random, relativeError, runOrt, values } from '../ort.ts';
import { joined } from './joined.ts';

const images = (seed: number) => draw(random(seed), 3, 2, 4, 4);

const numbers = (graph: Graph, x: ReturnType<typeof images>, output: string): ArrayLike<number> =>
  values(evaluateGraph(graph, { x }).get(output)!);

/** Any weights of the features, and of the outputs. */
const settings = (network: SuperNetwork): fc.Arbitrary<Setting> =>
  fc
    .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.1, max: 0.9, noNaN: true }))
    .map(([weight, share]) => {
      const rest = (1 - share) / (network.parents.length - 1);
      return withOutputs(network, weightedAt(network, weight, 0), [share, ...network.parents.slice(1).map(() => rest)]);
    });

describe.each([2, 3])('a committee of %i networks', count => {
  const network = joined([1, 2, 3].slice(0, count), 3);
  const parameters = kaimingStitches(network, random(3));
  const both = committee(network);

  it('has every answer of both settings, and weighs them all alike', () => {
    fc.assert(
      fc.property(fc.integer(), settings(network), settings(network), (seed, first, second) => {
        const x = images(seed);
        const setting = settingOfCommittee(network, first, second);
        const found = settleSources(both, setting, parameters);
        verify(found);
        const halves = [first, second].map(one => settleSources(network, one, parameters));
        const tags = network.outputs[0].sources;
        const want = halves.flatMap(half => tags.map(tag => numbers(half, x, tag)));
        for (const [i, tag] of both.outputs[0].sources.entries()) {
          expect(relativeError(numbers(found, x, tag), want[i]), tag).toBeLessThan(1e-6);
        }
        const odds = want.map(logits => softmax(logits));
        const mean = odds[0].map((_, i) => odds.reduce((sum, p) => sum + p[i], 0) / odds.length);
        expect(relativeError(softmax(numbers(settle(both, setting, parameters), x, 'logits')), mean)).toBeLessThan(
          1e-5,
        );
      }),
      { numRuns: 3 },
    );
  });

  it('under one setting twice is the network under it, gated too', () => {
    fc.assert(
      fc.property(fc.integer(), settings(network), (seed, given) => {
        const even = network.parents.map(() => 1 / count);
        const setting = withOutputs(network, given, even);
        const twice = settingOfCommittee(network, setting, setting);
        for (const make of [settle, settleGated]) {
          const x = images(seed);
          const [found, want] = [make(both, twice, parameters), make(network, setting, parameters)];
          expect(relativeError(numbers(found, x, 'logits'), numbers(want, x, 'logits'))).toBeLessThan(1e-5);
          // All that is computed twice is done once.
          expect(found.nodes.filter(({ op }) => op === 'Conv')).toHaveLength(
            want.nodes.filter(({ op }) => op === 'Conv').length,
          );
        }
      }),
      { numRuns: 2 },
    );
  });

  it('computes once what lies before the stitch, and is of standard operators where that is asked for', async () => {
    const setting = settingOfCommittee(network, original(network), averagedAt(network, 0));
    const graph = settleGated(both, setting, parameters, { standard: true });
    verify(graph);
    const convolutions = graph.nodes.filter(({ op }) => op === 'Conv').map(({ name }) => name);
    // One hidden layer of each network, a stitch for each way, and two heads of each.
    expect(convolutions).toHaveLength(count + network.stitches.length + 2 * count);
    expect(graph.inputs.map(String)).toEqual(['%x: float32[N, 2, 4, 4]']);
    const x = images(8);
    const weights = new Map([...parameters, ...settingTensors(both, setting)]);
    const whole = gateOutput(both);
    const fed = Object.fromEntries(whole.inputs.map(({ name }) => [name, name === 'x' ? x : weights.get(name)!]));
    const want = values(evaluateGraph(whole, fed).get('logits')!);
    expect(relativeError((await runOrt(graph, { x })).logits.data, want)).toBeLessThan(1e-5);
  });

  it('shares among the parents as the gate does among them alone, where the copy has no say', () => {
    const setting = settingOfCommittee(network, original(network), averagedAt(network, 0));
    const x = images(9);
    const ways = [[...network.parents.map(() => 1 / count), ...network.parents.map(() => 0)]];
    const found = Array.from(numbers(settleSources(both, setting, parameters, { gated: ways }), x, gateShares));
    const alone = settleSources(network, original(network), parameters, { gated: [ways[0].slice(0, count)] });
    const want = Array.from(numbers(alone, x, gateShares));
    const kept = found.filter((_, i) => i % (2 * count) < count);
    expect(relativeError(kept, want)).toBeLessThan(1e-6);
    expect(Math.max(...found.filter((_, i) => i % (2 * count) >= count))).toBe(0);
  });
});

/** Of logits [N, 3, 4, 4]. */
function softmax(logits: ArrayLike<number>): number[] {
  const [places, channels] = [16, 3];
  return Array.from(logits, (logit, i) => {
    const [image, place] = [Math.floor(i / (places * channels)), i % places];
    const all = Array.from({ length: channels }, (_, c) => logits[(image * channels + c) * places + place]);
    return Math.exp(logit) / all.reduce((sum, v) => sum + Math.exp(v), 0);
  });
}
