import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensorFromNumbers, verify } from '../../../ir/index.ts';
import {
  averagedAt,
  closeWeights,
  doubtAbreast,
  gateAbreast,
  gateShares,
  kaimingStitches,
  openWeights,
  original,
  settle,
  settleAbreast,
  settleGated,
  settleSources,
  stitchedAt,
} from '../../../passes/index.ts';
import { draw } from '../networks.ts';
import { random, relativeError, runOrt } from '../ort.ts';
import { joined } from './joined.ts';

const images = (seed: number, count: number) => draw(random(seed), count, 2, 4, 4);

describe('branches side by side', () => {
  it('answer as the parents do, in their order along the last axis', async () => {
    const network = joined([1, 2, 3], 3);
    const graph = settleAbreast(network, original(network), kaimingStitches(network, random(1)));
    verify(graph);
    const x = images(5, 2);
    const { logits } = await runOrt(graph, { x });
    expect(logits.shape).toEqual([2, 3, 4, 12]);
    const { parents } = network;
    const apart = await runOrt(settle(network, original(network), new Map(), { parentOutputs: true }), { x });
    for (const [p, { outputs }] of parents.entries()) {
      const columns = Array.from(logits.data).filter((_, i) => Math.floor((i % 12) / 4) === p);
      expect(columns).toEqual(Array.from(apart[outputs[0]].data));
    }
  });

  it('become the gated network, as they were and as they were trained', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(50),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom<'Softmax' | undefined>('Softmax', undefined),
        fc.constantFrom(original, stitchedAt, averagedAt),
        async (seed, channels, activation, settingAt) => {
          const network = joined([seed, seed + 1], channels + (activation ? 1 : 0), activation);
          const [{ meaning }] = network.outputs;
          const setting = settingAt(network, 0);
          const parameters = kaimingStitches(network, random(seed));
          const abreast = settleAbreast(network, setting, parameters);
          const x = images(seed, 3);
          const wanted = await runOrt(settleGated(network, setting, parameters, { standard: true }), { x });
          const open = openWeights(abreast);
          const same = gateAbreast(closeWeights(open, open.weights), meaning);
          verify(same);
          expect(relativeError((await runOrt(same, { x })).logits.data, wanted.logits.data)).toBeLessThan(1e-5);
          const other = [...open.weights].map(
            ([name, { dtype, shape, data }]) =>
              [
                name,
                tensorFromNumbers(
                  dtype,
                  shape,
                  Array.from(data as Float32Array, w => w / 2),
                ),
              ] as const,
          );
          const trained = gateAbreast(closeWeights(open, new Map(other)), meaning);
          expect(relativeError((await runOrt(trained, { x })).logits.data, wanted.logits.data)).toBeGreaterThan(1e-3);
        },
      ),
      { numRuns: 3 },
    );
  });

  it('doubt as the gate of the parents has it, and start from the shares that are given', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(50),
        fc.constantFrom<'Softmax' | undefined>('Softmax', undefined),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
        async (seed, activation, parts) => {
          const network = joined([seed, seed + 1, seed + 2], 3, activation);
          const [{ meaning, weights }] = network.outputs;
          const shares = parts.map(part => part / parts.reduce((sum, p) => sum + p, 0));
          const setting = original(network);
          const parameters = kaimingStitches(network, random(seed));
          const abreast = settleAbreast(network, setting, parameters);
          const x = images(seed, 2);
          const apart = await runOrt(settleSources(network, setting, parameters, { gated: [shares] }), { x });
          const { doubts } = await runOrt(verify(doubtAbreast(abreast, meaning)), { x });
          expect(doubts.shape).toEqual([2, 3]);
          for (const image of [0, 1]) {
            const surety = shares.map((share, p) => share / doubts.data[3 * image + p] ** 2);
            const sum = surety.reduce((total, s) => total + s, 0);
            for (const [p, s] of surety.entries())
              expect(apart[gateShares].data[3 * image + p]).toBeCloseTo(s / sum, 4);
          }
          const shared = new Map([...setting, [weights, shares]]);
          const wanted = await runOrt(settleGated(network, shared, parameters, { standard: true }), { x });
          const got = await runOrt(verify(gateAbreast(abreast, meaning, shares)), { x });
          expect(relativeError(got.logits.data, wanted.logits.data)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 2 },
    ));

  it('are asked for where there is nothing to gate', () => {
    const network = joined([1, 2], 3);
    const plain = settle(network, original(network), kaimingStitches(network, random(1)));
    expect(() => gateAbreast(plain, network.outputs[0].meaning)).toThrow(
      "The answers in 'logits' do not stand side by side",
    );
  });
});
