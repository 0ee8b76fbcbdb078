/** Settings out of a few uses of each switch: what a search chooses among, and stitches can be trained for. */
import * as v from 'valibot';
import { type Graph, SutureError, type Tensor } from '../../ir/index.ts';
import {
  original,
  type Setting,
  type SettleOptions,
  type SuperNetwork,
  type Switch,
  settle,
  settleGated,
  type Tag,
  withOutputOf,
} from '../../passes/index.ts';

/**
 * What a switch hands on: its parent's own feature, the mean of all its sources, or the mean of the stitched ones; with several stitched
 * ones, also one of them alone, `from b`.
 */
export type Use = 'original' | 'averaged' | 'stitched' | `from ${Tag}`;

/** The parents' outputs with equal weights, before the gate if there is one. */
export const togethers = ['mean', 'gated'] as const;

/** A setting in which every switch has one of a few uses. */
export interface DiscreteSetting {
  /** By the name of the super-network's input (`switch/3/b`), in the network's order; of the others the use is `original`. */
  readonly uses: Readonly<Record<string, Use>>;
  /** One parent's output, by its tag; `mean` or `gated`: those of all. */
  readonly output: string;
}

/** As documents have it. */
export const discreteEntries = {
  uses: v.record(
    v.string(),
    v.custom<Use>(use => typeof use === 'string' && /^(original|averaged|stitched|from [a-z])$/.test(use)),
  ),
  output: v.string(),
};

/** The uses that a switch may have; the first leaves it as it was. */
export const usesOf = ({ sources }: Switch): readonly Use[] => [
  'original',
  ...(sources.length > 1 ? (['averaged', 'stitched'] as const) : []),
  ...(sources.length > 2 ? sources.slice(1).map((tag): Use => `from ${tag}`) : []),
];

/** The use in which a switch hands on the stitched feature of one parent alone; undefined where there is no such stitch. */
export function useFrom({ sources }: Switch, tag: Tag): Use | undefined {
  if (!sources.slice(1).includes(tag)) return undefined;
  return sources.length === 2 ? 'stitched' : `from ${tag}`;
}

/** The weights of a switch's sources under a use. */
export function weightsOf({ sources }: Switch, use: Use): number[] {
  switch (use) {
    case 'original':
      return sources.map((_, i) => (i === 0 ? 1 : 0));
    case 'averaged':
      return sources.map(() => 1 / sources.length);
    case 'stitched':
      return sources.map((_, i) => (i === 0 ? 0 : 1 / (sources.length - 1)));
    default:
      return sources.map(tag => (use === `from ${tag}` ? 1 : 0));
  }
}

/** @throws SutureError `option-invalid` for a switch, a use or an output that the network does not have. */
export function checkDiscrete(network: SuperNetwork, { uses, output }: DiscreteSetting): void {
  for (const [name, use] of Object.entries(uses)) {
    const found = network.switches.find(s => s.weights === name);
    if (!found) throw new SutureError('option-invalid', `The network has no switch '${name}'.`);
    if (usesOf(found).includes(use)) continue;
    throw new SutureError(
      'option-invalid',
      `The switch '${name}' cannot be '${use}', but ${usesOf(found).join(', ')}.`,
    );
  }
  const outputs = [...network.parents.map(p => p.tag), ...togethers];
  if (outputs.includes(output)) return;
  throw new SutureError('option-invalid', `The output can be ${outputs.join(', ')}, not '${output}'.`);
}

/** The weights of all switches. A gate is no part of it. */
export function settingOfDiscrete(network: SuperNetwork, { uses, output }: DiscreteSetting): Setting {
  const all = new Map(original(network));
  for (const s of network.switches) {
    const use = uses[s.weights];
    if (use !== undefined) all.set(s.weights, weightsOf(s, use));
  }
  return network.parents.some(p => p.tag === output) ? withOutputOf(network, all, output) : all;
}

/** The network that a setting picks out, with its gate. @throws SutureError as `settleGated`. */
export const settleDiscrete = (
  network: SuperNetwork,
  setting: DiscreteSetting,
  parameters?: ReadonlyMap<string, Tensor>,
  options?: SettleOptions,
): Graph =>
  (setting.output === 'gated' ? settleGated : settle)(
    network,
    settingOfDiscrete(network, setting),
    parameters,
    options,
  );
