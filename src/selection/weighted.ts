/**
 * The sweep over settings: positions × share of the original feature × share of the outputs, and gates, against the front of all
 * output-weighted ensembles.
 */
import * as v from 'valibot';
import { SutureError, type Tensor } from '../../ir/index.ts';
import { gateable, type SuperNetwork, settle, withOutputOf } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Metric } from '../metrics/metric.ts';
import { requireFittingImages } from '../model.ts';
import type { WorkOptions } from '../progress.ts';
import { metricOf, outputKind } from '../scoring.ts';
import { blendable, disagreements, quantile, scoreBlend } from './blend.ts';
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
      gate: v.optional(v.object({ threshold: v.number(), apart: v.number() })),
      /** The share of the validation images on which the gate finds the parents apart; 0 without a gate. */
      apart: v.number(),
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

export interface FrontOptions extends WorkOptions {
  /** Groups of positions that are on together. Default: every position alone. */
  readonly groups?: readonly (readonly number[])[];
  /** Shares of the original feature. Default 0, ¼, ½, ¾. With 1 alone no stitch is scored. */
  readonly weights?: readonly number[];
  /** Parent a's shares of the output. Default 0, 0.1, …, 1. */
  readonly outputs?: readonly number[];
  /**
   * Gates: thresholds, as quantiles of the disagreement on the validation images. They are tried on the parents as they are, on
   * learned weights, and on `groups` where those are given. Default none.
   */
  readonly gates?: readonly number[];
  /** Also the weights that `suture weigh` learned. */
  readonly learned?: LearnedWeights | undefined;
  /** What the choice `even` may lose on the validation data. Default 0.005. */
  readonly loss?: number;
  /** Images at a time. Default 8. */
  readonly batch?: number;
}

export interface NamedDataset {
  readonly name: string;
  readonly dataset: Dataset;
}

/** Shares of the output that the rivals' front is drawn through. */
const rivalShares = Array.from({ length: 41 }, (_, i) => i / 40);

const tenths = Array.from({ length: 11 }, (_, i) => i / 10);

type Places = Pick<Combination, 'positions' | 'weight'>;

/** One setting on one data set: a metric for each share of the output, and how much the outputs disagree on each image. */
interface Scored {
  readonly metrics: ReadonlyMap<number, Metric>;
  readonly disagreement: readonly number[];
}

const unstitched: Places = { positions: [], weight: 1 };

/**
 * Scores settings on validation data and on any number of test sets. The parents' common prefixes are computed once for each batch,
 * and a setting's two outputs once for all shares and gates.
 *
 * @throws SutureError `option-invalid`; `data-invalid` when data does not fit the networks.
 */
export async function sweepFront(
  executor: Executor,
  network: SuperNetwork,
  parameters: ReadonlyMap<string, Tensor>,
  validation: Dataset,
  tests: readonly NamedDataset[],
  options: FrontOptions = {},
): Promise<Front> {
  const { weights = [0, 0.25, 0.5, 0.75], outputs = tenths, gates = [], learned, loss = 0.005 } = options;
  const groups = options.groups ?? network.positions.map(p => [p.id]);
  const places = [
    unstitched,
    ...groups.flatMap(positions => weights.filter(w => w !== 1).map((weight): Places => ({ positions, weight }))),
    ...(learned ? [{ positions: learned.positions, weight: 'learned' } as const] : []),
  ];
  const shares = [...new Set([...outputs, ...(learned ? [learned.output] : [])])].sort((p, q) => p - q);
  for (const place of places) for (const output of shares) checkCombination(network, { ...place, output });
  const wrong = gates.find(q => !(q > 0 && q <= 1));
  if (wrong !== undefined) throw new SutureError('option-invalid', `A quantile lies in (0, 1], and ${wrong} does not.`);
  if (gates.length > 0) gateable(network);

  const bundles = places.map((place, i): Bundle => {
    const trained = place.weight === 'learned' ? new Map([...parameters, ...learned!.parameters]) : parameters;
    const setting = settingOf(network, { ...place, output: 0.5 }, learned);
    // Merged into neighbouring layers, weights would differ from setting to setting in what settings share.
    const part = (tag: string) => ({
      output: `${i}/${tag}`,
      graph: settle(network, withOutputOf(network, setting, tag), trained, { merge: false }),
    });
    return [part('a'), part('b')];
  });
  const sets = [{ name: 'validation', dataset: validation }, ...tests];
  const scored: (readonly Scored[])[] = [];
  for (const { name, dataset } of sets) {
    scored.push(await scoreBundles(executor, network, bundles, shares, name, dataset, options));
  }

  const { name: metric, higherIsBetter } = scored[0]![0]!.metrics.get(1)!;
  const axes = tests.length >= 2 ? tests.map((_, i) => i + 1) : sets.map((_, i) => i);
  const pointOf = (scores: readonly number[]): Point => axes.map(i => (higherIsBetter ? scores[i]! : -scores[i]!));
  const rivals = rivalShares.map(output => ({
    output,
    scores: scored.map(([plain]) => plain!.metrics.get(output)!.score().value),
  }));
  const curve = rivals.map(r => pointOf(r.scores));
  const gatesOf = ({ positions, weight }: Places): readonly number[] =>
    options.groups || positions.length === 0 || weight === 'learned' ? gates : [];
  const found = places.flatMap((place, i) =>
    combinations(scored[0]![i]!, shares, gatesOf(place)).map(blend => ({
      ...place,
      ...blend,
      apart: apartOn(scored[0]![i]!, blend),
      scores: scored.map(settings => scoreOf(settings[i]!, blend)),
    })),
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
    sets: sets.map(({ name, dataset }) => ({ name, source: dataset.source, images: dataset.count })),
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

/** How a setting's outputs are put together. */
type Blend = Pick<Combination, 'output' | 'gate'>;

/** Every share, and with gates every threshold with either parent alone where the outputs disagree. */
function combinations({ disagreement }: Scored, shares: readonly number[], gates: readonly number[]): readonly Blend[] {
  const thresholds = [...new Set(gates.map(q => quantile(disagreement, q)))];
  const gated = thresholds.flatMap(threshold =>
    [0, 1].flatMap(apart =>
      shares.flatMap(output => (output === apart ? [] : [{ output, gate: { threshold, apart } }])),
    ),
  );
  return [...shares.map(output => ({ output })), ...gated];
}

function scoreOf({ metrics, disagreement }: Scored, { output, gate }: Blend): number {
  const together = metrics.get(output)!;
  if (!gate) return together.score().value;
  return together.scoreWith(metrics.get(gate.apart)!, image => disagreement[image]! > gate.threshold).value;
}

/** The share of the images on which a gate finds the parents apart. */
const apartOn = ({ disagreement }: Scored, { gate }: Blend): number =>
  gate ? disagreement.filter(d => d > gate.threshold).length / disagreement.length : 0;

async function scoreBundles(
  executor: Executor,
  network: SuperNetwork,
  bundles: readonly Bundle[],
  shares: readonly number[],
  name: string,
  dataset: Dataset,
  options: FrontOptions,
): Promise<readonly Scored[]> {
  const what = 'the stitched network';
  const graph = bundles[0]![0].graph;
  requireFittingImages(dataset, graph, what);
  const kind = outputKind(graph, dataset);
  const { mean } = network.outputs[0]!;
  // Gates need either parent alone; the rivals' front is drawn more finely than the rest.
  const sharesOf = (i: number): Set<number> => new Set([...shares, 0, 1, ...(i === 0 ? rivalShares : [])]);
  const scored = bundles.map((_, i) => ({
    metrics: new Map([...sharesOf(i)].map(share => [share, metricOf(dataset, graph, what)] as const)),
    disagreement: new Array<number>(dataset.count).fill(0),
  }));
  const stage = `scoring settings on ${name}`;
  await runParts(executor, bundles, dataset, { ...options, stage }, (round, outputs, first) => {
    for (const bundle of round) {
      const [a, b] = bundle.map(part => outputs[part.output]!);
      const batch = blendable(a!, b!, mean, kind);
      const { metrics, disagreement } = scored[bundles.indexOf(bundle)]!;
      for (const [share, metric] of metrics) scoreBlend(metric, batch, share, first);
      if (options.gates?.length) for (const [i, d] of disagreements(batch).entries()) disagreement[first + i] = d;
    }
  });
  return scored;
}

/** What the choices look at: points by their scores on the validation data, the first of `scores`. */
export type Choosable = Pick<FrontPoint, 'positions' | 'output' | 'gate' | 'apart' | 'scores'>;

/**
 * The choices, by the validation data alone.
 *
 * `best`: the best score; of equal ones the first, so rather fewer stitches. It says nothing of other sites, and the best of many is
 * lucky in part.
 *
 * `even`: the parents' outputs weighed as evenly as the own site allows. Of what loses at most `loss` against the best rival there:
 * the share of the output nearest to ½; of equal ones the fewest stitches, so that these are used only where they let outputs be
 * weighed more evenly; then the gate that finds the fewest own images apart, rather than none; of those one that leaves what is apart
 * to the partner (b); then the best score. A gate that acts on no own image is thus free, and hands over what is unlike anything at
 * home.
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
    const { output, gate, apart, positions } = points[i]!;
    return [Math.abs(output - 0.5), positions.length, apart, gate ? gate.apart : 2, -worth[i]!];
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
