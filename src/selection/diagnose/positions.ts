/** What is known of every position without labels, and what of it tells where stitching does best. */
import * as v from 'valibot';
import { printable } from '../../../ir/index.ts';
import { mean } from '../../../ir/numbers.ts';
import type { Position } from '../../../passes/index.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Execution } from '../../execution/progress.ts';
import { scoreSchema } from '../../metrics/schema.ts';
import { placedPositions } from '../../network/depth.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import type { Parent } from '../../network/parent.ts';
import { ckaSimilarity, type Similarity } from '../../network/similarity.ts';
import { featureEntries, positionEntries, tagOf } from '../../network/tags.ts';
import { ranks, usualDepth } from '../select.ts';
import type { StitchError } from './errors.ts';
import type { Answered } from './outputs.ts';

/** What may foretell a position's score, as documents keep it. */
const predictorEntries = {
  /** See `placedPositions`. */
  depth: v.number(),
  /** The mean over its stitches of `StitchError.residual`. */
  residual: v.optional(scoreSchema),
  /** The same under shift, the mean over the changes. */
  shiftedResidual: v.optional(scoreSchema),
  /** Linear CKA of the networks' own features, the mean over those that are stitched to each other. */
  similarity: v.optional(scoreSchema),
  /** See `Answered.divergence`; the position averaged. */
  divergence: v.optional(scoreSchema),
  entropy: v.optional(scoreSchema),
};

export type Predictor = keyof typeof predictorEntries;
export const predictors = Object.keys(predictorEntries) as readonly Predictor[];

export const diagnosedPositionSchema = v.object({
  position: v.number(),
  ...positionEntries,
  ...predictorEntries,
  /** Its score, averaged there; absent without labels. */
  value: v.optional(scoreSchema),
});

export type DiagnosedPosition = v.InferOutput<typeof diagnosedPositionSchema>;

/** What was found of the positions, as far as there were images to look at. */
export interface Looked {
  /** On the images as they are. */
  readonly errors?: readonly StitchError[];
  /** Under each change. */
  readonly shifted: readonly (readonly StitchError[])[];
  /** Of the features of two networks at a position. */
  readonly similarity?: (position: Position) => number;
  /** Of a position, averaged. */
  readonly answered: (position: number) => Answered;
}

/** All positions with what was found of them. */
export function diagnosedPositions(
  { network }: Pick<TrainedNetwork, 'network'>,
  { errors, shifted, similarity, answered }: Looked,
): readonly DiagnosedPosition[] {
  const placed = placedPositions(network);
  const residual = (id: number, found: readonly StitchError[]): number =>
    mean(found.filter(({ position }) => position === id).map(error => error.residual));
  return network.positions.map((position, i) => {
    const { id } = position;
    const { metric, divergence, entropy } = answered(id);
    return {
      position: id,
      ...featureEntries(position),
      depth: placed[i].depth,
      ...(errors && { residual: residual(id, errors) }),
      ...(shifted.length > 0 && { shiftedResidual: mean(shifted.map(found => residual(id, found))) }),
      ...(similarity && { similarity: similarity(position) }),
      ...(divergence !== undefined && { divergence, entropy }),
      ...(metric && { value: metric.score().value }),
    };
  });
}

/**
 * Linear CKA of the features of a position, every two that are stitched to each other.
 *
 * @throws SutureError `data-invalid` for fewer images than it takes.
 */
export async function similaritiesOf(
  execution: Execution,
  parents: readonly Parent[],
  positions: readonly Position[],
  dataset: Dataset,
): Promise<(position: Position) => number> {
  const tags = parents.map((_, i) => tagOf(i));
  const pairs = new Map(positions.flatMap(({ links }) => links).map(link => [link.join(), link]));
  const known = new Map<string, Similarity>();
  for (const [key, [p, q]] of pairs) {
    const models = [parents[tags.indexOf(p)], parents[tags.indexOf(q)]] as const;
    const names = [printable(p), printable(q)] as const;
    known.set(key, await ckaSimilarity(execution, models, dataset, { names }));
  }
  return ({ links, features }) => mean(links.map(([p, q]) => known.get([p, q].join())!(features[p], features[q])));
}

/** The value of a predictor, so that more of it speaks for a position: what that is of each was found on real pairs. */
export function promise(predictor: Predictor, position: DiagnosedPosition): number | undefined {
  const value = position[predictor];
  if (value === undefined) return undefined;
  switch (predictor) {
    case 'depth':
      return -Math.abs(value - usualDepth);
    case 'similarity':
      return value;
    case 'residual':
    case 'shiftedResidual':
    case 'divergence':
    case 'entropy':
      return -value;
    default:
      return predictor satisfies never;
  }
}

/** Spearman's rank correlation, from −1 to 1; NaN where one of both is the same everywhere. Pairs with a NaN are left out. */
export function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  const kept = x.flatMap((value, i) => (Number.isNaN(value) || Number.isNaN(y[i]) ? [] : [i]));
  const [p, q] = [x, y].map(values => {
    const found = ranks(
      kept.map(i => values[i]),
      true,
    );
    return found.map(rank => rank - (kept.length + 1) / 2);
  });
  const product = (u: readonly number[], w: readonly number[]): number =>
    u.reduce((sum, value, i) => sum + value * w[i], 0);
  return product(p, q) / Math.sqrt(product(p, p) * product(q, q));
}
