/**
 * The sweep over settings: positions × share of the original feature × share of the outputs, gated or not, against the front of
 * all output-weighted ensembles.
 */
import * as v from 'valibot';
import { type GateScope, gateScopes, isGateable, requireGateable } from '../../passes/index.ts';
import type { Execution } from '../execution/progress.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import { metricNames } from '../metrics/metric.ts';
import { dataSetsSchema, scoreSchema, stressScoreSchema } from '../metrics/schema.ts';
import { dataFacts, type StressSet, stressScore } from '../metrics/stress.ts';
import type { TrainedNetwork } from '../network/network.ts';
import { type OutputShares, outputShares } from '../options/kinds.ts';
import {
  alike,
  type Combination,
  checkCombination,
  type LearnedWeights,
  onlyAnswer,
  settingOf,
  sharesOf,
  statedShares,
} from './combination.ts';
import { above, beyond, type Point, paretoSet, surfaceOf } from './front.ts';
import { type Blend, measure, type NamedData, prepare } from './measure.ts';
import { rivalLattice } from './rivals.ts';
import { worthOf } from './select.ts';
import { shareLattice } from './simplex.ts';

/** `front.json`. */
export const frontSchema = v.object({
  metric: v.picklist(metricNames),
  higherIsBetter: v.boolean(),
  /** The own site's validation data first, then the test sets. */
  sets: dataSetsSchema,
  /** The stress sets that scores under shift are of. */
  stress: v.optional(dataSetsSchema),
  /** The sets that distances and the Pareto set are over, as indices: the test sets; with one, the validation data and it. */
  axes: v.array(v.number()),
  /** The output-weighted ensembles of the unstitched parents; of two, from parent b alone to parent a alone. */
  rivals: v.array(
    v.object({ output: outputShares.schema, scores: v.array(scoreSchema), shift: v.optional(stressScoreSchema) }),
  ),
  points: v.array(
    v.object({
      positions: v.array(v.number()),
      weight: v.union([v.number(), v.literal('learned')]),
      output: outputShares.schema,
      /** Whether a gate weighs the outputs on each image by how sure the parents are. */
      gated: v.boolean(),
      /** One for each set. */
      scores: v.array(scoreSchema),
      /** Under shift, where that was asked for. */
      shift: v.optional(stressScoreSchema),
      /** What may be taken off its score on every axis before some rival is as good: positive beyond the rivals' front. */
      beyond: scoreSchema,
      /** Its score on the second axis less the best rival's that is as good on the first; absent where there is none. */
      above: v.optional(v.number()),
      /** Whether no other point, nor rival, is at least as good on every axis and better on one. */
      pareto: v.boolean(),
    }),
  ),
  /** What has shares of its own with a gate, where that is not each image. */
  gateOver: v.optional(v.picklist(gateScopes)),
  /** Of a run: the seal of the learned weights that were scored. */
  weights: v.optional(v.string()),
  chosen: v.object({
    /** What `even` may lose on the validation data. */
    loss: v.number(),
    /** Indices of points: see `choose`. */
    best: v.number(),
    even: v.number(),
  }),
});

export type Front = v.InferOutput<typeof frontSchema>;
export type FrontPoint = Front['points'][number];

/** What the choice `even` may lose where nothing else is said. */
export const evenLoss = 0.005;

export interface FrontOptions {
  /** Groups of positions that are on together. Default: every position alone. */
  readonly groups?: readonly (readonly number[])[] | undefined;
  /** Shares of the original feature. Default 0, ¼, ½, ¾. With 1 alone no stitch is scored. */
  readonly weights?: readonly number[] | undefined;
  /** Ways of sharing the output. Default: of two parents, 0, 0.1, …, 1 for parent a; of more, at most 40 and their mean. */
  readonly outputs?: readonly OutputShares[] | undefined;
  /** Also all shares of more than one output with a gate: see `settleGated`. Default: where the outputs are such that a gate can act on them. */
  readonly gate?: boolean;
  /** What has shares of its own with a gate: each image (default), or each case, which then is a batch. */
  readonly gateOver?: GateScope | undefined;
  /** Also the weights that `suture weigh` learned. */
  readonly learned?: LearnedWeights | undefined;
  /** What the choice `even` may lose on the validation data. Default {@link evenLoss}. */
  readonly loss?: number | undefined;
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
  /** What all is also scored on, and what decides nothing. */
  readonly stress?: readonly StressSet[] | undefined;
}

/** What settings are scored on. */
export interface FrontData {
  readonly validation: LabelledData;
  readonly tests: readonly NamedData[];
}

type Places = Pick<Combination, 'positions' | 'weight'>;

/** Each way once, the first parent's share growing. */
const distinct = (outputs: readonly OutputShares[]): readonly OutputShares[] =>
  [...new Map(outputs.map(output => [sharesOf(output).join(), output])).values()].sort((p, q) =>
    compare(sharesOf(p), sharesOf(q)),
  );

const unstitched: Places = { positions: [], weight: 1 };

/**
 * Scores settings on validation data and on any number of test sets. The parents' common prefixes are computed once for each batch,
 * and the parents' outputs under a setting once for all shares and gates.
 *
 * @throws SutureError `option-invalid`; `data-invalid` when data does not fit the networks.
 */
export async function sweepFront(
  execution: Execution,
  { network, parameters }: TrainedNetwork,
  { validation, tests }: FrontData,
  options: FrontOptions = {},
): Promise<Front> {
  const { weights = [0, 0.25, 0.5, 0.75], learned, loss = evenLoss, stress = [] } = options;
  const parents = network.parents.length;
  const groups = options.groups ?? network.positions.map(p => [p.id]);
  const places = [
    unstitched,
    ...groups.flatMap(positions => weights.filter(w => w !== 1).map((weight): Places => ({ positions, weight }))),
    ...(learned ? [{ positions: learned.positions, weight: 'learned' } as const] : []),
  ];
  const { outputs = shareLattice(parents, 10, 40).outputs } = options;
  const shares = distinct([...outputs, ...(learned ? [learned.output] : [])]);
  for (const place of places) for (const output of shares) checkCombination(network, { ...place, output });
  const { gate = isGateable(network), gateOver: over = 'image' } = options;
  if (gate) requireGateable(network, over);

  const lattice = rivalLattice(parents);
  const rivalBlends = lattice.outputs.map((output): Blend => ({ output }));
  const blends = (gate ? [false, true] : [false]).flatMap(gated =>
    shares.filter(output => !gated || onlyAnswer(output) === undefined).map((output): Blend => ({ output, gated })),
  );
  const even = alike(parents);
  const prepared = prepare(
    { network, parameters },
    places.map((place, i) => ({
      setting: settingOf(network, { ...place, output: even }, learned),
      blends: i === 0 ? [...blends, ...rivalBlends] : blends,
    })),
    over,
  );
  const sets: readonly NamedData[] = [{ name: 'validation', data: validation }, ...tests];
  const all = await measure(execution, prepared, [...sets, ...stress], options.batch);
  const [measured, stressed] = [all.slice(0, sets.length), all.slice(sets.length)];
  const valuesOn = (found: typeof measured, place: number, blend: Blend): number[] =>
    found.map(settings => settings[place].metricOf(blend).score().value);
  const scoresOf = (place: number, blend: Blend): Pick<FrontPoint, 'scores' | 'shift'> => ({
    scores: valuesOn(measured, place, blend),
    ...(stress.length > 0 && { shift: stressScore(valuesOn(stressed, place, blend)) }),
  });

  const { name: metric, higherIsBetter } = measured[0][0].metricOf(rivalBlends[0]);
  const axes = tests.length >= 2 ? tests.map((_, i) => i + 1) : sets.map((_, i) => i);
  const pointOf = (scores: readonly number[]): Point => axes.map(i => (higherIsBetter ? scores[i] : -scores[i]));
  const rivals = lattice.outputs.map(output => ({
    output: statedShares(sharesOf(output)),
    ...scoresOf(0, { output }),
  }));
  const rivalPoints = rivals.map(r => pointOf(r.scores));
  const surface = surfaceOf(rivalPoints, lattice.faces);
  const found = places.flatMap((place, i) =>
    blends.map(({ output, gated = false }) => ({ ...place, output, gated, ...scoresOf(i, { output, gated }) })),
  );
  const kept = new Set(paretoSet([...found.map(p => pointOf(p.scores)), ...rivalPoints]));
  const points = found.map((p, i) => {
    const at = pointOf(p.scores);
    const higher = axes.length > 1 ? above(at, surface) : undefined;
    return {
      ...p,
      positions: [...p.positions],
      output: statedShares(sharesOf(p.output)),
      beyond: beyond(at, surface),
      ...(higher !== undefined && { above: higher }),
      pareto: kept.has(i),
    };
  });
  return {
    metric,
    higherIsBetter,
    sets: dataFacts(sets),
    ...(stress.length > 0 && { stress: dataFacts(stress) }),
    axes,
    rivals,
    points,
    ...(gate && over !== 'image' && { gateOver: over }),
    chosen: {
      loss,
      ...choose(
        points,
        rivals.map(r => r.scores[0]),
        higherIsBetter,
        loss,
      ),
    },
  };
}

/** What the choices look at: points by their scores on the validation data, the first of `scores`. */
export type Choosable = Pick<FrontPoint, 'positions' | 'output' | 'gated' | 'scores'>;

/**
 * The choices, by the validation data alone.
 *
 * `best`: the best score; of equal ones the first, so rather fewer stitches. It says nothing of other sites, and the best of many is
 * lucky in part.
 *
 * `even`: the parents' outputs weighed as evenly as the own site allows, rather with a gate. Of what loses at most `loss` against the
 * best rival there: those with a gate, if any; of these the fewest stitches; then the shares of the output nearest to equal ones; then
 * the best score.
 */
export function choose(
  points: readonly Choosable[],
  rivals: readonly number[],
  higherIsBetter: boolean,
  loss: number,
): { readonly best: number; readonly even: number } {
  const worth = points.map(({ scores }) => worthOf(higherIsBetter)(scores[0]));
  const best = worth.indexOf(Math.max(...worth));
  const least = Math.max(...rivals.map(worthOf(higherIsBetter))) - loss;
  const rankOf = (i: number): readonly number[] => {
    const { output, gated, positions } = points[i];
    const shares = sharesOf(output);
    const uneven = Math.max(...shares.map(share => Math.abs(share - 1 / shares.length)));
    return [gated ? 0 : 1, positions.length, uneven, -worth[i]];
  };
  const even = points
    .map((_, i) => i)
    .filter(i => worth[i] >= least)
    .sort((i, j) => compare(rankOf(i), rankOf(j)) || i - j)[0];
  return { best, even: even ?? best };
}

function compare(p: readonly number[], q: readonly number[]): number {
  const at = p.findIndex((v, i) => v !== q[i]);
  return at < 0 ? 0 : p[at] - q[at];
}
