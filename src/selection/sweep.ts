/** The score of every position: averaged there in both directions, outputs averaged. */
import * as v from 'valibot';
import { printable } from '../../ir/index.ts';
import {
  averagedAt,
  type OutputMeaning,
  original,
  type Setting,
  settle,
  settledMeaning,
  withOutputOf,
} from '../../passes/index.ts';
import type { Execution } from '../execution/progress.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import { imagesByFold, type Metric, metricNames } from '../metrics/metric.ts';
import { dataSetsSchema, scoreSchema, stressScoreSchema } from '../metrics/schema.ts';
import { score } from '../metrics/scoring.ts';
import { dataFacts, type StressSet, stressScore } from '../metrics/stress.ts';
import { flopsPerSample, parameterCount } from '../network/cost.ts';
import { placedPositions } from '../network/depth.ts';
import type { TrainedNetwork } from '../network/network.ts';
import { featureEntries, positionEntries, progressEntries } from '../network/tags.ts';
import type { MergedPart } from './merge.ts';
import { runParts } from './parts.ts';

const scores = {
  /** The score over all images. */
  value: scoreSchema,
  pooled: scoreSchema,
  /** The score in each fold, in the order of `folds`. */
  folds: v.array(scoreSchema),
  /** Under shift, where that was asked for. */
  shift: v.optional(stressScoreSchema),
};

/** `sweep.json`. */
export const sweepSchema = v.object({
  data: v.object({ source: v.string(), images: v.number() }),
  /** The stress sets that scores under shift are of. */
  stress: v.optional(dataSetsSchema),
  metric: v.picklist(metricNames),
  higherIsBetter: v.boolean(),
  /** The numbers of the folds; empty where the data has none. */
  folds: v.array(v.number()),
  /** What stitching has to beat: the parents alone by their tags, and the `ensemble` of their outputs. */
  references: v.array(v.object({ name: v.string(), ...scores })),
  positions: v.array(
    v.object({
      position: v.number(),
      /** Value names in the parents' files, by tag, and the positional progress of each. */
      ...positionEntries,
      /** See `placedPositions`. */
      depth: v.optional(v.number()),
      ...scores,
      /** Of the settled network, for one sample. */
      flops: v.optional(v.number()),
      parameters: v.number(),
    }),
  ),
});

export type Sweep = v.InferOutput<typeof sweepSchema>;

export interface SweepOptions {
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
  /** What all is also scored on, and what decides nothing. */
  readonly stress?: readonly StressSet[] | undefined;
}

interface Candidate {
  readonly key: string;
  readonly setting: Setting;
}

/**
 * Scores every position of a super-network, and its parents and their ensemble, on labelled data. All settings are one
 * graph in which what they have in common is computed once for each batch.
 *
 * @throws SutureError `data-invalid` when the data does not fit the networks.
 */
export async function sweepPositions(
  execution: Execution,
  { network, parameters }: TrainedNetwork,
  data: LabelledData,
  options: SweepOptions = {},
): Promise<Sweep> {
  const { dataset } = data;
  const plain = original(network);
  const candidates: Candidate[] = [
    ...network.parents.map(({ tag }) => ({ key: tag, setting: withOutputOf(network, plain, tag) })),
    { key: 'ensemble', setting: plain },
    ...network.positions.map(({ id }) => ({ key: `position/${id}`, setting: averagedAt(network, id) })),
  ];
  const [output] = network.outputs;
  const settled = candidates.map(({ key, setting }) => ({
    name: key,
    graph: settle(network, setting, parameters),
    meaning: settledMeaning(output, setting),
  }));
  const { batch, stress = [] } = options;
  const stage = 'scoring every position';
  const sets = [
    { stage, data },
    ...stress.map(set => ({ stage: `${stage} on ${printable(set.name, 40)}`, data: set.data })),
  ];
  const [metrics, ...stressed] = (await scoreParts(execution, settled, sets, batch)) as [Scored, ...Scored[]];
  const folds = dataset.fold ? imagesByFold(dataset.fold) : new Map<number, readonly number[]>();
  const scoresOf = (key: string): Pick<Sweep['positions'][number], 'value' | 'pooled' | 'folds' | 'shift'> => {
    const metric = metrics.get(key)!;
    const { value, pooled } = metric.score();
    return {
      value,
      pooled,
      folds: [...folds.values()].map(images => metric.score(images).value),
      ...(stress.length > 0 && { shift: stressScore(stressed.map(set => set.get(key)!.score().value)) }),
    };
  };
  const first = metrics.get('a')!;
  const placed = placedPositions(network);
  return {
    data: { source: dataset.source, images: dataset.count },
    ...(stress.length > 0 && { stress: dataFacts(stress) }),
    metric: first.name,
    higherIsBetter: first.higherIsBetter,
    folds: [...folds.keys()],
    references: [...network.parents.map(p => p.tag), 'ensemble'].map(name => ({ name, ...scoresOf(name) })),
    positions: network.positions.map((position, i) => {
      const { id } = position;
      const { graph } = settled.find(s => s.name === `position/${id}`)!;
      const flops = flopsPerSample(graph);
      return {
        position: id,
        ...featureEntries(position),
        ...progressEntries(position),
        depth: placed[i].depth,
        ...scoresOf(`position/${id}`),
        ...(flops !== undefined && { flops }),
        parameters: parameterCount(graph),
      };
    }),
  };
}

/** The metrics of parts by their names. */
type Scored = ReadonlyMap<string, Metric>;

/** Of each data set. */
async function scoreParts(
  execution: Execution,
  parts: readonly (MergedPart & { readonly meaning: OutputMeaning })[],
  sets: readonly { readonly stage: string; readonly data: LabelledData }[],
  batch: number | undefined,
): Promise<readonly Scored[]> {
  const name = 'the stitched network';
  const [{ graph, meaning }] = parts as readonly [(typeof parts)[number]];
  const metrics = sets.map(
    ({ data }) => new Map(parts.map(part => [part.name, data.metricFor({ name, graph, meaning })])),
  );
  const meanings = new Map(parts.map(part => [part.name, part.meaning]));
  const staged = sets.map(({ stage, data: { dataset } }) => ({ stage, dataset }));
  await runParts(execution, { parts, sets: staged, batch }, (run, outputs, set, first) => {
    for (const {
      name: key,
      graph: {
        outputs: [output],
      },
    } of run) {
      score(metrics[set].get(key)!, outputs[`${key}/${output.name}`], meanings.get(key)!, first);
    }
  });
  return metrics;
}
