/**
 * The sweep over settings: positions × share of the original feature × share of the outputs, gated or not, against the front of
 * all output-weighted ensembles.
 */
import * as v from 'valibot';
import { isGateable, requireGateable, settle, withOutputOf } from '../../passes/index.ts';
import type { Execution } from '../execution/progress.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import type { Metric } from '../metrics/metric.ts';
import type { TrainedNetwork } from '../network/network.ts';
import { blendable, expectedErrors, gatedShares, scoreBlend } from './blend.ts';
import { type Combination, checkCombination, type LearnedWeights, settingOf } from './combination.ts';
import { above, beyond, type Point, paretoSet } from './front.ts';
import { type Bundle, runParts } from './parts.ts';

/** NaN (a score of nothing) is null in JSON. */
const score = v.union([
  v.number(),
  v.pipe(
    v.null(),
    v.transform(() => Number.NaN),
  ),
]);

/** `front.json`. */
export const frontSchema = v.object({
  metric: v.picklist(['dice', 'accuracy', 'mse']),
  higherIsBetter: v.boolean(),
  /** The own site's validation data first, then the test sets. */
  sets: v.array(v.object({ name: v.string(), source: v.string(), images: v.number() })),
  /** The sets that distances and the Pareto set are over, as indices: the test sets; with one, the validation data and it. */
  axes: v.array(v.number()),
  /** The output-weighted ensembles of the unstitched parents, from parent b alone to parent a alone. */
  rivals: v.array(v.object({ output: v.number(), scores: v.array(score) })),
  points: v.array(
    v.object({
      positions: v.array(v.number()),
      weight: v.union([v.number(), v.literal('learned')]),
      output: v.number(),
      /** Whether a gate weighs the outputs on each image by how sure the parents are. */
      gated: v.boolean(),
      /** One for each set. */
      scores: v.array(score),
      /** What may be taken off its score on every axis before some rival is as good: positive beyond the rivals' front. */
      beyond: score,
      /** Its score on the second axis less the best rival's that is as good on the first; absent where there is none. */
      above: v.optional(v.number()),
      /** Whether no other point, nor rival, is at least as good on every axis and better on one. */
      pareto: v.boolean(),
    }),
  ),
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

export interface FrontOptions {
  /** Groups of positions that are on together. Default: every position alone. */
  readonly groups?: readonly (readonly number[])[];
  /** Shares of the original feature. Default 0, ¼, ½, ¾. With 1 alone no stitch is scored. */
  readonly weights?: readonly number[];
  /** Parent a's shares of the output. Default 0, 0.1, …, 1. */
  readonly outputs?: readonly number[];
  /** Also every share with a gate: see `settleGated`. Default: where the outputs are such that a gate can act on them. */
  readonly gate?: boolean;
  /** Also the weights that `suture weigh` learned. */
  readonly learned?: LearnedWeights | undefined;
  /** What the choice `even` may lose on the validation data. Default 0.005. */
  readonly loss?: number;
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
}

export interface NamedData {
  readonly name: string;
  readonly data: LabelledData;
}

/** Shares of the output that the rivals' front is drawn through. */
const rivalShares = Array.from({ length: 41 }, (_, i) => i / 40);

const tenths = Array.from({ length: 11 }, (_, i) => i / 10);

type Places = Pick<Combination, 'positions' | 'weight'>;

/** How a setting's outputs are put together. */
type Blend = Pick<Combination, 'output' | 'gated'>;

/** One setting on one data set: a metric for each share of the output, and for each with a gate. */
interface Scored {
  readonly plain: ReadonlyMap<number, Metric>;
  readonly gated: ReadonlyMap<number, Metric>;
}

const unstitched: Places = { positions: [], weight: 1 };

/**
 * Scores settings on validation data and on any number of test sets. The parents' common prefixes are computed once for each batch,
 * and a setting's two outputs once for all shares and gates.
 *
 * @throws SutureError `option-invalid`; `data-invalid` when data does not fit the networks.
 */
export async function sweepFront(
  execution: Execution,
  { network, parameters }: TrainedNetwork,
  validation: LabelledData,
  tests: readonly NamedData[],
  options: FrontOptions = {},
): Promise<Front> {
  const { weights = [0, 0.25, 0.5, 0.75], outputs = tenths, learned, loss = 0.005 } = options;
  const groups = options.groups ?? network.positions.map(p => [p.id]);
  const places = [
    unstitched,
    ...groups.flatMap(positions => weights.filter(w => w !== 1).map((weight): Places => ({ positions, weight }))),
    ...(learned ? [{ positions: learned.positions, weight: 'learned' } as const] : []),
  ];
  const shares = [...new Set([...outputs, ...(learned ? [learned.output] : [])])].sort((p, q) => p - q);
  for (const place of places) for (const output of shares) checkCombination(network, { ...place, output });
  const { gate = isGateable(network) } = options;
  if (gate) requireGateable(network);

  const bundles = places.map((place, i): Bundle => {
    const setting = settingOf(network, { ...place, output: 0.5 }, learned);
    // Merged into neighbouring layers, weights would differ from setting to setting in what settings share.
    const part = (tag: string) => ({
      output: `${i}/${tag}`,
      graph: settle(network, withOutputOf(network, setting, tag), parameters, { merge: false }),
    });
    return [part('a'), part('b')];
  });
  const sets: readonly NamedData[] = [{ name: 'validation', data: validation }, ...tests];
  const scored: (readonly Scored[])[] = [];
  const settings: Settings = { output: network.outputs[0]!, bundles, shares, gate, batch: options.batch };
  for (const set of sets) scored.push(await scoreSettings(execution, settings, set));

  const { name: metric, higherIsBetter } = scored[0]![0]!.plain.get(1)!;
  const axes = tests.length >= 2 ? tests.map((_, i) => i + 1) : sets.map((_, i) => i);
  const pointOf = (scores: readonly number[]): Point => axes.map(i => (higherIsBetter ? scores[i]! : -scores[i]!));
  const rivals = rivalShares.map(output => ({
    output,
    scores: scored.map(([parents]) => parents!.plain.get(output)!.score().value),
  }));
  const curve = rivals.map(r => pointOf(r.scores));
  const blends = (gate ? [false, true] : [false]).flatMap(gated => shares.map(output => ({ output, gated })));
  const found = places.flatMap((place, i) =>
    blends.map(blend => ({ ...place, ...blend, scores: scored.map(settings => scoreOf(settings[i]!, blend)) })),
  );
  const kept = new Set(paretoSet([...found.map(p => pointOf(p.scores)), ...curve]));
  const points = found.map((p, i) => {
    const at = pointOf(p.scores);
    const higher = axes.length > 1 ? above(at, curve) : undefined;
    return {
      ...p,
      positions: [...p.positions],
      beyond: beyond(at, curve),
      ...(higher !== undefined && { above: higher }),
      pareto: kept.has(i),
    };
  });
  return {
    metric,
    higherIsBetter,
    sets: sets.map(({ name, data: { dataset } }) => ({ name, source: dataset.source, images: dataset.count })),
    axes,
    rivals,
    points,
    chosen: {
      loss,
      ...choose(
        points,
        rivals.map(r => r.scores[0]!),
        higherIsBetter,
        loss,
      ),
    },
  };
}

const scoreOf = ({ plain, gated }: Scored, blend: Blend): number =>
  (blend.gated ? gated : plain).get(blend.output)!.score().value;

/** What is scored: two parts for each setting, one for each parent's output, and how outputs are put together. */
interface Settings {
  readonly output: TrainedNetwork['network']['outputs'][number];
  readonly bundles: readonly Bundle[];
  readonly shares: readonly number[];
  readonly gate: boolean;
  readonly batch: number | undefined;
}

async function scoreSettings(
  execution: Execution,
  { output: { mean, meaning }, bundles, shares, gate, batch }: Settings,
  { name, data }: NamedData,
): Promise<readonly Scored[]> {
  const network = { name: 'the stitched network', graph: bundles[0]![0].graph, meaning };
  const metricsOf = (all: readonly number[]) => new Map(all.map(share => [share, data.metricFor(network)] as const));
  // The rivals' front is drawn more finely than the rest, and from either parent alone.
  const scored = bundles.map((_, i) => ({
    plain: metricsOf(i === 0 ? [...new Set([...shares, ...rivalShares])] : shares),
    gated: metricsOf(gate ? shares : []),
  }));
  const work = { bundles, dataset: data.dataset, stage: `scoring settings on ${name}`, batch };
  await runParts(execution, work, (round, outputs, first) => {
    for (const bundle of round) {
      const [a, b] = bundle.map(part => outputs[part.output]!);
      const blended = blendable(a!, b!, mean, meaning);
      const images = Array.from({ length: blended.shape[0]! }, (_, i) => i);
      const { plain, gated } = scored[bundles.indexOf(bundle)]!;
      for (const [share, metric] of plain) {
        scoreBlend(
          metric,
          blended,
          images.map(() => share),
          first,
        );
      }
      const errors = gate ? expectedErrors(blended) : undefined;
      for (const [share, metric] of gated) scoreBlend(metric, blended, gatedShares(errors!, share), first);
    }
  });
  return scored;
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
 * best rival there: those with a gate, if any; of these the fewest stitches; then the share of the output nearest to ½; then the
 * best score.
 */
export function choose(
  points: readonly Choosable[],
  rivals: readonly number[],
  higherIsBetter: boolean,
  loss: number,
): { readonly best: number; readonly even: number } {
  const worthOf = (value: number): number =>
    Number.isNaN(value) ? Number.NEGATIVE_INFINITY : higherIsBetter ? value : -value;
  const worth = points.map(({ scores }) => worthOf(scores[0]!));
  const best = worth.indexOf(Math.max(...worth));
  const least = Math.max(...rivals.map(worthOf)) - loss;
  const keyOf = (i: number): readonly number[] => {
    const { output, gated, positions } = points[i]!;
    return [gated ? 0 : 1, positions.length, Math.abs(output - 0.5), -worth[i]!];
  };
  const even = points
    .map((_, i) => i)
    .filter(i => worth[i]! >= least)
    .sort((i, j) => compare(keyOf(i), keyOf(j)) || i - j)[0];
  return { best, even: even ?? best };
}

function compare(p: readonly number[], q: readonly number[]): number {
  const at = p.findIndex((v, i) => v !== q[i]);
  return at < 0 ? 0 : p[at]! - q[at]!;
}
