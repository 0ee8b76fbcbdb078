/** Settings measured on labelled data: what a setting's outputs are put together to in many ways is computed from one run of it. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import {
  type GateScope,
  gateShares,
  type OutputSwitch,
  type Setting,
  type SuperNetwork,
  settleSources,
} from '../../passes/index.ts';
import type { Execution } from '../execution/progress.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import type { Metric } from '../metrics/metric.ts';
import type { TrainedNetwork } from '../network/network.ts';
import type { OutputShares } from '../options/kinds.ts';
import { type Blendable, blendable, scoreBlends, type WeighedScore } from './blend.ts';
import { sharesOf } from './combination.ts';
import type { MergedPart } from './merge.ts';
import { runParts } from './parts.ts';

/** How a setting's outputs are put together. */
export interface Blend {
  readonly output: OutputShares;
  /** Whether a gate starts from these shares: see `settleGated`. Default false. */
  readonly gated?: boolean | undefined;
}

/** A setting of all switches, and the ways in which its outputs are put together; its own weights of them do not matter. */
export interface Measurable {
  /** What it is a setting of, with the same parameters. Default: the network that was trained. */
  readonly joined?: SuperNetwork;
  readonly setting: Setting;
  readonly blends: readonly Blend[];
}

/** Settings made ready to be measured on any number of data sets. */
export interface Prepared {
  readonly parts: readonly (MergedPart & {
    readonly answers: OutputSwitch;
    readonly plain: Ways;
    readonly gated: Ways;
  })[];
  readonly over: GateScope;
}

/** Ways of sharing, each once, by their keys. */
type Ways = ReadonlyMap<string, readonly number[]>;

const keyOf = (output: OutputShares): string => sharesOf(output).join();

export interface NamedData {
  readonly name: string;
  readonly data: LabelledData;
}

/** One setting on one data set. */
export interface Measured {
  /** @throws RangeError for a way that was not asked for. */
  metricOf(blend: Blend): Metric;
}

/** @param over what has shares of its own with a gate: each image, or each case, which then is a batch. */
export function prepare(
  { network, parameters }: TrainedNetwork,
  settings: readonly Measurable[],
  over: GateScope = 'image',
): Prepared {
  const parts = settings.map(({ joined = network, setting, blends }, i) => {
    const waysOf = (isGated: boolean): Ways =>
      new Map(
        blends.filter(b => (b.gated ?? false) === isGated).map(b => [keyOf(b.output), sharesOf(b.output)] as const),
      );
    const [plain, gated] = [waysOf(false), waysOf(true)];
    // Merged into neighbouring layers, weights would differ from setting to setting in what settings share.
    const graph = settleSources(joined, setting, parameters, { gated: [...gated.values()], merge: false, over });
    return { name: String(i), graph, answers: joined.outputs[0], plain, gated };
  });
  return { parts, over };
}

/**
 * Measures settings on data sets, of each all settings. What they have in common is computed once for each batch.
 *
 * @throws SutureError `data-invalid` when the data does not fit the networks.
 */
export async function measure(
  execution: Execution,
  { parts, over }: Prepared,
  sets: readonly NamedData[],
  batch?: number,
): Promise<readonly (readonly Measured[])[]> {
  const [
    {
      graph,
      answers: { meaning },
    },
  ] = parts;
  const scored = { name: 'the stitched network', graph: graph.with({ outputs: graph.outputs.slice(0, 1) }), meaning };
  const metrics = sets.map(({ data }) => {
    const metricsOf = (ways: Ways): ReadonlyMap<string, Metric> =>
      new Map([...ways.keys()].map(key => [key, data.metricFor(scored)] as const));
    return new Map(parts.map(part => [part, { plain: metricsOf(part.plain), gated: metricsOf(part.gated) }]));
  });
  const cases = over === 'case' && parts.some(({ gated }) => gated.size > 0);
  const staged = sets.map(({ name, data }) => ({ dataset: data.dataset, stage: `scoring settings on ${name}` }));
  await runParts(execution, { parts, sets: staged, batch, cases }, (round, outputs, set, first) => {
    // Settings have outputs in common: those of the parents as they are.
    const known = new Map<Tensor, Blendable>();
    for (const part of round) {
      const { sources, mean } = part.answers;
      const found = (output: string): Tensor => outputs[`${part.name}/${output}`];
      const blended = sources.map(source => {
        const output = found(source);
        const shown = known.get(output) ?? blendable(output, mean, meaning);
        known.set(output, shown);
        return shown;
      });
      const { plain, gated } = metrics[set].get(part)!;
      const ways = Array.from(part.plain, ([key, shares]): WeighedScore => {
        return { metric: plain.get(key)!, share: parent => shares[parent] };
      });
      if (part.gated.size > 0) {
        const weights = numbersOf(found(gateShares));
        for (const [i, key] of [...part.gated.keys()].entries()) {
          const share = (parent: number, image: number): number =>
            weights[((over === 'case' ? 0 : image) * sources.length + parent) * part.gated.size + i];
          ways.push({ metric: gated.get(key)!, share });
        }
      }
      scoreBlends(blended, ways, first);
    }
  });
  return metrics.map(ofSet =>
    parts.map(part => ({
      metricOf({ output, gated }) {
        const metric = ofSet.get(part)![gated ? 'gated' : 'plain'].get(keyOf(output));
        if (!metric) throw new RangeError(`The output ${keyOf(output)} was not measured.`);
        return metric;
      },
    })),
  );
}
