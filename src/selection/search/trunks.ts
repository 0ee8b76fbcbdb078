/**
 * Shared trunks: settings in which partners' branches take stitched features of the own network in place of their own, in one direction,
 * so that what lies before is dead. The own network stays as it is.
 */
import type { AnyNode } from '../../../ir/index.ts';
import type { SuperNetwork, Switch, Tag } from '../../../passes/index.ts';
import { type DiscreteSetting, type Use, useFrom } from '../../network/discrete.ts';
import { positionsText } from '../combination.ts';
import { Liveness } from './liveness.ts';

export interface SharedTrunk {
  /** The network whose features are shared. */
  readonly own: Tag;
  /** Those that take them. Further parents stay as they are. */
  readonly partners: readonly Tag[];
  readonly positions: readonly number[];
  /** Whether the partners read nothing but these features: all of them before is dead. */
  readonly whole: boolean;
  /** With the mean of all outputs. */
  readonly setting: DiscreteSetting;
}

/**
 * The shared trunks of a super-network, those of the first parent first, for each partner alone and, of several, for all together: by the
 * depth up to which features may be shared,
 *
 * - the features there that cut every path from the partner's input to its output, nearest to the output: of a U-Net the skips and the
 *   deepest feature, as long as there are skips to come, and one feature behind the last of them;
 * - each single position, where it alone is no such cut.
 */
export function sharedTrunks(network: SuperNetwork): readonly SharedTrunk[] {
  const liveness = new Liveness(network);
  const tags = network.parents.map(p => p.tag);
  return tags.flatMap(own => {
    const others = tags.filter(tag => tag !== own);
    const groups = [...others.map(tag => [tag]), ...(others.length > 1 ? [others] : [])];
    return groups.flatMap(partners => trunksOf(network, liveness, own, partners));
  });
}

/** Whether all that is answered goes by the own network's features. */
export const isOwnAlone = ({ parents }: SuperNetwork, { own, partners }: SharedTrunk): boolean =>
  own === parents[0].tag && partners.length === parents.length - 1;

/** `shared trunk`, of the own network for all others; else `trunk of b for a`. */
export const trunkText = (network: SuperNetwork, trunk: SharedTrunk): string =>
  isOwnAlone(network, trunk) ? 'shared trunk' : `trunk of ${trunk.own} for ${trunk.partners.join(', ')}`;

/** `shared trunk at 5, 11`. */
export const trunkName = (network: SuperNetwork, trunk: SharedTrunk): string =>
  `${trunkText(network, trunk)} at ${positionsText(trunk.positions)}`;

/**
 * The shared trunk that makes the most of a budget: of those that leave nothing of the branches before them, the dearest that costs no
 * more. A partner's before one of the first parent: what only the partner knows can't be learned again from the first one's images.
 *
 * @param costOf as a share of the output ensemble's. @returns undefined where all cost more.
 */
export function trunkWithin(
  network: SuperNetwork,
  budget: number,
  costOf: (setting: DiscreteSetting) => number,
): SharedTrunk | undefined {
  const [{ tag: first }] = network.parents;
  const affordable = sharedTrunks(network)
    .filter(({ whole, partners }) => whole && partners.length === network.parents.length - 1)
    .map(trunk => ({ trunk, cost: costOf(trunk.setting) }))
    .filter(({ cost }) => cost <= budget);
  const byPartners = affordable.filter(({ trunk }) => trunk.own !== first);
  const [best] = (byPartners.length > 0 ? byPartners : affordable).sort((p, q) => q.cost - p.cost);
  return best?.trunk;
}

/** What a trunk may cost more than the dearest parent alone, as a factor, to be at one network's cost. */
const oneCost = 1.02;

/** The trunk of a partner that costs no more than one network does, but for a fiftieth; undefined where there is none. */
export function trunkAtOneCost(
  network: SuperNetwork,
  costOf: (setting: DiscreteSetting) => number,
): SharedTrunk | undefined {
  const tags = network.parents.map(p => p.tag);
  const dearest = Math.max(...tags.map(tag => costOf({ uses: {}, output: tag })));
  const found = trunkWithin(network, oneCost * dearest, costOf);
  return found?.own === tags[0] ? undefined : found;
}

function trunksOf(
  network: SuperNetwork,
  liveness: Liveness,
  own: Tag,
  partners: readonly Tag[],
): readonly SharedTrunk[] {
  const found = new Map<string, SharedTrunk>();
  const add = (switches: readonly Switch[], whole: boolean): void => {
    const setting: DiscreteSetting = {
      uses: Object.fromEntries(
        network.switches.flatMap(s => (switches.includes(s) ? [[s.weights, useFrom(s, own)!] as [string, Use]] : [])),
      ),
      output: 'mean',
    };
    const key = Object.keys(setting.uses).join();
    const positions = [...new Set(switches.map(s => s.position))].sort((p, q) => p - q);
    if (switches.length > 0 && !found.has(key)) found.set(key, { own, partners, positions, whole, setting });
  };
  for (const { id } of network.positions) {
    const cuts = partners.map(partner => cutOf(network, liveness, { own, partner, depth: id }));
    if (cuts.every(cut => cut !== undefined)) add(cuts.flat(), true);
  }
  for (const { id } of network.positions) {
    const here = network.switches.filter(
      s => s.position === id && partners.includes(s.parent) && useFrom(s, own) !== undefined,
    );
    if (here.length === partners.length) add(here, false);
  }
  return [...found.values()].sort((p, q) => compare(p.positions, q.positions));
}

const compare = (p: readonly number[], q: readonly number[]): number => p.at(-1)! - q.at(-1)! || p.length - q.length;

/** The switches that a partner's output comes to first, of those up to a depth; undefined where a path goes past them. */
function cutOf(
  network: SuperNetwork,
  liveness: Liveness,
  { own, partner, depth }: { readonly own: Tag; readonly partner: Tag; readonly depth: number },
): readonly Switch[] | undefined {
  const stops = (s: Switch): boolean => s.position <= depth && useFrom(s, own) !== undefined;
  const live = liveness.nodesOf({ uses: {}, output: partner }, stops);
  return readsInput(network, live) ? undefined : liveness.switchesAmong(live).filter(stops);
}

function readsInput({ graph, parents }: SuperNetwork, nodes: ReadonlySet<AnyNode>): boolean {
  const inputs = new Set(parents.flatMap(p => p.inputs).map(name => graph.input(name)));
  return [...nodes].some(node => node.inputs.some(v => v !== undefined && inputs.has(v)));
}
