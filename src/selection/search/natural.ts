/** The settings that one would try without a search. */
import { isGateable, type SuperNetwork } from '../../../passes/index.ts';
import { type DiscreteSetting, type Use, usesOf } from '../../network/discrete.ts';
import { sharedTrunks } from './trunks.ts';

/**
 * Parents, ensembles, shared trunks and each position averaged; each kind from coarse to fine (its middle, its quarters, …), and the kinds
 * in turns, so that any number of the first ones is spread over all.
 */
export function naturalSettings(network: SuperNetwork): readonly DiscreteSetting[] {
  const output = isGateable(network) ? 'gated' : 'mean';
  const plain = [...network.parents.map(p => p.tag), 'mean', ...(output === 'gated' ? [output] : [])];
  const averaged = network.positions.map(({ id }): DiscreteSetting => {
    const here = network.switches.filter(s => s.position === id && usesOf(s).includes('averaged'));
    return { uses: Object.fromEntries(here.map(s => [s.weights, 'averaged'] as [string, Use])), output };
  });
  const trunks = sharedTrunks(network);
  const kinds = network.parents.flatMap(({ tag }) =>
    [true, false].map(whole =>
      trunks.filter(t => t.own === tag && t.whole === whole).map(({ setting }) => ({ ...setting, output })),
    ),
  );
  const lists = [averaged, ...kinds].map(coarseToFine);
  const longest = Math.max(...lists.map(list => list.length));
  const turns = Array.from({ length: longest }, (_, i) => lists.flatMap(list => list[i] ?? []));
  return [...plain.map((tag): DiscreteSetting => ({ uses: {}, output: tag })), ...turns.flat()];
}

/** The middle, the middles of the halves, and so on. */
function coarseToFine<T>(list: readonly T[]): readonly T[] {
  const taken = new Set<number>();
  for (let parts = 2; taken.size < list.length; parts *= 2) {
    for (let i = 1; i < parts; i++) taken.add(Math.floor((i * list.length) / parts));
  }
  return [...taken].map(i => list[i]);
}
