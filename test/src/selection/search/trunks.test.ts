import { describe, expect, it } from 'vitest';
import { verify } from '../../../../ir/index.ts';
import { checkDiscrete, settleDiscrete } from '../../../../src/network/discrete.ts';
import { costsOf } from '../../../../src/selection/search/cost.ts';
import { discreteText } from '../../../../src/selection/search/text.ts';
import { sharedTrunks, trunkAtOneCost, trunkName, trunkWithin } from '../../../../src/selection/search/trunks.ts';
import { labelled, side, unets } from './unets.ts';

/** Operations of each layer of a U-Net, two for each multiplication and addition. */
const layers = (w: number) => {
  const [fine, coarse] = [2 * side ** 2, 2 * (side / 2) ** 2];
  return {
    e1: fine * 9 * w,
    e2: coarse * 9 * w * 2 * w,
    up: coarse * 2 * w * w * 4,
    d1: fine * 9 * 2 * w * w,
    head: fine * w * 2,
  };
};
const sum = (parts: Readonly<Record<string, number>>): number => Object.values(parts).reduce((x, y) => x + y, 0);

describe('shared trunks', () => {
  it('are the cuts of the partner by depth, and single positions', () => {
    const found = sharedTrunks(unets([2, 3]).network).map(({ own, partners, positions, whole }) => ({
      text: `${own} for ${partners.join()}: ${positions.join()}`,
      whole,
    }));
    const of = (whole: boolean): string[] => found.filter(t => t.whole === whole).map(t => t.text);
    expect(of(true)).toEqual(
      ['a for b', 'b for a'].flatMap(who => [`${who}: 0`, `${who}: 0,1`, `${who}: 0,2`, `${who}: 3`]),
    );
    expect(of(false)).toEqual(['a for b', 'b for a'].flatMap(who => [`${who}: 1`, `${who}: 2`]));
  });

  it('of three networks take over each partner alone, and both together', () => {
    const { network } = unets([2, 3, 2]);
    const own = sharedTrunks(network).filter(t => t.own === 'b' && t.whole);
    expect(own.map(t => `${t.partners.join('+')} ${t.positions.join()}`)).toEqual(
      ['a', 'c', 'a+c'].flatMap(who => ['0', '0,1', '0,2', '3'].map(at => `${who} ${at}`)),
    );
    expect(own.at(-1)!.setting.uses).toEqual({ 'switch/3/a': 'from b', 'switch/3/c': 'from b' });
  });

  it('within a budget are the dearest of a partner for the first, and else its own', () => {
    const { network, parameters } = unets([2, 3]);
    const costOf = costsOf({ network, parameters }, labelled(1).dataset);
    const whole = sharedTrunks(network).filter(t => t.whole);
    const costs = (own: string): number[] => whole.filter(t => t.own === own).map(t => costOf(t.setting));
    for (const budget of [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1]) {
      const found = trunkWithin(network, budget, costOf);
      const [ofB, ofA] = ['b', 'a'].map(own => costs(own).filter(cost => cost <= budget));
      expect(found?.own).toBe(ofB.length > 0 ? 'b' : ofA.length > 0 ? 'a' : undefined);
      if (found) expect(costOf(found.setting)).toBe(Math.max(...(ofB.length > 0 ? ofB : ofA)));
    }
    expect(trunkName(network, trunkWithin(network, 1, costOf)!)).toMatch(/^trunk of b for a at \d/);
  });

  it("at one network's cost are a partner's, for little more than the dearest network", () => {
    const { network, parameters } = unets([3, 2]);
    const costOf = costsOf({ network, parameters }, labelled(1).dataset);
    const alone = ['a', 'b'].map(tag => costOf({ uses: {}, output: tag }));
    const found = trunkAtOneCost(network, costOf)!;
    expect(found).toMatchObject({ own: 'b', partners: ['a'], whole: true });
    expect(costOf(found.setting)).toBeLessThanOrEqual(1.02 * Math.max(...alone));
    // Where all of them are far dearer there is none, though one of the own network may be cheap.
    const dear = (setting: Parameters<typeof costOf>[0]): number =>
      costOf(setting) + (Object.keys(setting.uses).some(name => name.endsWith('/a')) ? 1 : 0);
    expect(trunkAtOneCost(network, dear)).toBeUndefined();
  });

  it.each([[[2, 3]], [[2, 3, 2]]])('leave nothing of the partners before a whole cut, of widths %s', widths => {
    const { network, parameters } = unets(widths);
    for (const { own, partners, whole, setting, positions } of sharedTrunks(network)) {
      checkDiscrete(network, setting);
      const graph = settleDiscrete(network, setting, parameters);
      verify(graph);
      const first = graph.nodes.filter(n => n.inputs.includes(graph.input('x'))).map(n => n.origin?.parent);
      expect(first).toContain(own);
      const left = partners.filter(partner => first.includes(partner));
      expect({ positions, left }).toEqual({ positions, left: whole ? [] : partners });
    }
  });

  it('cost what the layers that are left do, and the stitches', () => {
    const trained = unets([2, 3]);
    const cost = costsOf(trained, labelled(1).dataset);
    const [a, b] = [layers(2), layers(3)];
    const both = sum(a) + sum(b);
    const trunk = (...positions: number[]) =>
      sharedTrunks(trained.network).find(t => t.own === 'a' && t.positions.join() === positions.join())!;
    expect(cost(trunk(0, 1).setting)).toBeCloseTo(
      (both - b.e1 - b.e2 + 2 * side ** 2 * 2 * 3 + 2 * (side / 2) ** 2 * 4 * 6) / both,
      12,
    );
    // Merged with the head that comes after it, the stitch makes two classes of two channels.
    expect(cost(trunk(3).setting)).toBeCloseTo((sum(a) + 2 * side ** 2 * 2 * 2) / both, 12);
    expect(cost({ ...trunk(3).setting, output: 'a' })).toBeCloseTo(sum(a) / both, 12);
    expect(cost({ uses: {}, output: 'gated' })).toBe(1);
    expect(discreteText(trained.network, trunk(0, 1).setting)).toBe('b stitched at 0, 1; output mean');
  });
});
