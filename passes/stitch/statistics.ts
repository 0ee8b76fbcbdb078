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
import {
  centred,
  channelMeans,
  type FitBytes,
  type FitForm,
  fitBytes,
  formFor,
  statisticName,
  statisticsOf,
} from './fit.ts';
import type { StitchParameters } from './initial.ts';
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
 * Values of a super-network with every network on its own features, as a graph that is begun: its inputs are the parents' inputs and what
 * of `parameters` is not given.
 */
function begunApart(
  title: string,
  network: SuperNetwork,
  values: readonly Value[],
  parameters: StitchParameters = new Map(),
): { readonly to: GraphBuilder; readonly featureIn: (value: Value) => Value } {
  const only = network.graph.with({ outputs: values.map((value, i) => ({ name: `value ${i}`, value })) });
  const constants = new Map(
    [...network.switches, ...network.outputs].map(s => {
      const { type } = network.graph.input(s.weights);
      const ones = s.sources.map((_, i) => (i === 0 ? 1 : 0));
      return [
        s.weights,
        new Value(s.weights, type, { constant: tensorFromNumbers(type.dtype, [ones.length], ones) }),
      ] as const;
    }),
  );
  for (const [name, constant] of parameters) {
    constants.set(name, new Value(name, network.graph.input(name).type, { constant }));
  }
  const bound = rewrite(only, () => undefined, { inputs: constants });
  const alone = removeDeadCode(applyRules(bound, [fixSwitches]));

  const to = new GraphBuilder(title);
  const inputs = new Set(network.parents.flatMap(p => p.inputs));
  for (const input of alone.inputs) if (inputs.has(input.name)) to.adoptInput(input);
  for (const constant of alone.constants()) to.reserve(constant.name);
  for (const node of alone.nodes) to.adopt(node);
  const found = new Map(alone.outputs.map((o, i) => [values[i], o.value]));
  return { to, featureIn: value => found.get(value)! };
}

/**
 * A graph that computes, for every stitch, the statistics of its source and its target over a batch, every network on its own
 * features. Its inputs are the parents' inputs; its outputs are what `StitchFit` reads.
 */
export function featureStatistics(network: SuperNetwork, data: FitData): Graph {
  const features = network.switches.map(s => s.original);
  const { to, featureIn } = begunApart('statistics', network, features);
  for (const stitch of network.stitches) {
    const target = network.switches.find(s => s.position === stitch.position && s.parent === stitch.to)!;
    const [x, y] = [stitch.source, target.original].map(featureIn);
    for (const [key, value] of statisticsOf(to, formOf(stitch, data), x, y))
      to.output(statisticName(stitch, key), value);
  }
  return to.build();
}

/** The outputs of {@link stitchErrors}, each [C], over all places of a batch. */
export const errorStatistics = ['mean', 'variance', 'stitched mean', 'stitched variance', 'squared error'] as const;
export type ErrorStatistic = (typeof errorStatistics)[number];

/** The output of {@link stitchErrors} that holds a statistic of a stitch. */
export const errorStatisticName = (stitch: Stitch, key: ErrorStatistic): string => statisticName(stitch, key);

/**
 * A graph that computes, for every stitch, how what it makes of its source lies to the feature that it stands for, every network on its own
 * features: by channel, the {@link errorStatistics} over a batch. Its inputs are the parents' inputs.
 */
export function stitchErrors(network: SuperNetwork, parameters: StitchParameters): Graph {
  const { stitches, switches } = network;
  const values = [...switches.map(s => s.original), ...stitches.map(s => s.output)];
  const { to, featureIn } = begunApart('stitch errors', network, values, parameters);
  for (const stitch of stitches) {
    const target = switches.find(s => s.position === stitch.position && s.parent === stitch.to)!;
    const [y, x] = [target.original, stitch.output].map(featureIn);
    const squares = (value: Value): Value => channelMeans(to, to.op('Mul', [value, value]));
    const [own, stitched] = [centred(to, y), centred(to, x)];
    const found: { readonly [S in ErrorStatistic]: Value } = {
      mean: own.mean,
      variance: squares(own.rest),
      'stitched mean': stitched.mean,
      'stitched variance': squares(stitched.rest),
      'squared error': squares(to.op('Sub', [x, y])),
    };
    for (const key of errorStatistics) to.output(errorStatisticName(stitch, key), found[key]);
  }
  return to.build();
}
