import {
  type Binding,
  type Graph,
  GraphBuilder,
  rewrite,
  sizeOf,
  substitute,
  tensorFromNumbers,
  Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { fixSwitches } from '../settle/fix-switches.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { applyRules } from '../simplify/simplify.ts';
import { type FitBytes, type FitForm, fitBytes, formFor, statisticName, statisticsOf } from './fit.ts';
import type { Stitch, SuperNetwork } from './network.ts';

/** What a closed form will be fitted to: as much as is known when its graphs are built. */
export interface FitData {
  /** Binds the symbols of the network's inputs, as far as they are known. */
  readonly binding?: Binding;
  /** How many images there are in all, over all batches. */
  readonly images: number;
}

/** How many places of its source a stitch is fitted to in all; undefined where that is open. */
function placesOf({ source }: Stitch, { binding = {}, images }: FitData): number | undefined {
  const { shape } = source.type;
  const axis = channelAxis(shape.length);
  const places = substitute(sizeOf(shape.filter((_, i) => i !== 0 && i !== axis)), binding);
  return typeof places === 'number' ? places * images : undefined;
}

/** The form of a stitch's statistics. */
export const formOf = (stitch: Stitch, data: FitData): FitForm => formFor(stitch.inputChannels, placesOf(stitch, data));

/** What the fit of a stitch takes of memory. */
export const fitBytesOf = (stitch: Stitch, data: FitData): FitBytes => fitBytes(stitch, placesOf(stitch, data));

/**
 * A graph that computes, for every stitch, the statistics of its source and its target over a batch, every network on its own
 * features. Its inputs are the parents' inputs; its outputs are what `StitchFit` reads.
 */
export function featureStatistics(network: SuperNetwork, data: FitData): Graph {
  const features = network.switches.map(s => s.original);
  const onlyFeatures = network.graph.with({ outputs: features.map((value, i) => ({ name: `feature ${i}`, value })) });
  const weights = new Map(
    [...network.switches, ...network.outputs].map(s => {
      const { type } = network.graph.input(s.weights);
      const ones = s.sources.map((_, i) => (i === 0 ? 1 : 0));
      return [
        s.weights,
        new Value(s.weights, type, { constant: tensorFromNumbers(type.dtype, [ones.length], ones) }),
      ] as const;
    }),
  );
  const bound = rewrite(onlyFeatures, () => undefined, { inputs: weights });
  const alone = removeDeadCode(applyRules(bound, [fixSwitches]));

  const to = new GraphBuilder('statistics');
  const inputs = new Set(network.parents.flatMap(p => p.inputs));
  for (const input of alone.inputs) if (inputs.has(input.name)) to.adoptInput(input);
  for (const constant of alone.constants()) to.reserve(constant.name);
  for (const node of alone.nodes) to.adopt(node);
  const featureOf = new Map(alone.outputs.map((o, i) => [features[i], o.value]));

  for (const stitch of network.stitches) {
    const target = network.switches.find(s => s.position === stitch.position && s.parent === stitch.to)!;
    const pair = [stitch.source, target.original].map(value => featureOf.get(value)!);
    for (const [key, value] of statisticsOf(to, formOf(stitch, data), pair[0], pair[1]))
      to.output(statisticName(stitch, key), value);
  }
  return to.build();
}
