/** What can be made of trained networks, compared in a page: what follows the training in `suture run`, without a run directory. */
import { exportOnnx } from '../../ir/index.ts';
import { averagedAt } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Execution } from '../execution/progress.ts';
import { sutureVersion } from '../execution/suture-version.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { describedAs, scored, settledFor } from '../network/deployable.ts';
import { placedPositions } from '../network/depth.ts';
import { byTag } from '../network/tags.ts';
import { type Blueprint, Candidates } from '../selection/candidates.ts';
import { chosenOf, contest } from '../selection/contest.ts';
import { type Selection, selectBest, selectByDepth } from '../selection/select.ts';
import { type Sweep, sweepPositions } from '../selection/sweep.ts';
import type { StoredVerdict } from '../selection/verdict.ts';
import type { TrainedNetworks } from './train.ts';

export interface CompareOptions {
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
  /** Whether outputs are also put together by a gate. Default: where one can act. */
  readonly gate?: boolean | undefined;
}

/** Networks that can be made, scored. */
export interface Comparison {
  /** The score of every position, of the parents and of their ensemble. */
  readonly sweep: Sweep;
  readonly selection: Selection;
  /** How parents, ensembles, the stitched network and shared trunks stand, and which of them is worth deploying. */
  readonly verdict: StoredVerdict;
  /** What each of them is, in the order of the verdict's standings. */
  readonly candidates: readonly Blueprint[];
  readonly chosen: Blueprint;
}

/**
 * Asks before a training whether networks can be compared on images after it.
 *
 * @throws SutureError `data-invalid`, `option-invalid`.
 */
export function requireComparable(
  { parents }: Pick<TrainedNetworks, 'parents'>,
  validation: Dataset,
  { metric }: Pick<CompareOptions, 'metric'> = {},
): void {
  LabelledData.toChooseBy(parents, validation, metric);
}

/**
 * Scores every position, chooses one (rule 2 where there are folds, else rule 1), and judges what can be made of the networks.
 *
 * @param validation labelled images.
 * @throws SutureError `data-invalid`, `option-invalid`, `interrupted`.
 */
export async function compareNetworks(
  execution: Execution,
  trained: TrainedNetworks,
  validation: Dataset,
  { metric, gate }: CompareOptions = {},
): Promise<Comparison> {
  const own = LabelledData.toChooseBy(trained.parents, validation, metric);
  const sweep = await sweepPositions(execution, trained, own);
  const selection = selectBest(sweep.positions, sweep.higherIsBetter);
  const candidates = Candidates.of(trained, validation, { position: selection.position, gate });
  const verdict = await contest(execution, candidates, { own, stress: [] });
  const blueprintOf = (name: string): Blueprint => candidates.blueprints.find(one => one.name === name)!;
  return {
    ...{ sweep, selection, verdict },
    candidates: verdict.standings.map(({ name }) => blueprintOf(name)),
    chosen: blueprintOf(chosenOf(candidates, verdict).name),
  };
}

/** Without labels: the position that lies where stitching was found to serve (rule 3). */
export const positionByDepth = ({ network }: TrainedNetworks): number =>
  selectByDepth(placedPositions(network)).position;

/** What is exported: a candidate of a comparison, or a position. */
export type Exported =
  | { readonly candidate: Blueprint; readonly verdict?: StoredVerdict | undefined }
  | { readonly position: number; readonly gated?: boolean };

/** The bytes of an ONNX file. It says of itself what it is of, and where it is scored, what it scored. @throws SutureError `output-unwritable` beyond 2 GiB. */
export function exportNetwork(trained: TrainedNetworks, what: Exported): Uint8Array {
  const { network, parents } = trained;
  const { setting, gated, note } =
    'candidate' in what
      ? { setting: what.candidate.setting, gated: what.candidate.blend.gated, note: what.candidate.name }
      : {
          ...{ setting: averagedAt(network, what.position), gated: what.gated },
          note: `stitched at ${what.position}${what.gated ? ', gated' : ''}`,
        };
  const graph = describedAs(settledFor(trained, setting, gated), {
    note,
    parents: byTag(parents, ({ sha256 }) => sha256),
  });
  const verdict = 'candidate' in what ? what.verdict : undefined;
  const standing = verdict?.standings.find(({ name }) => name === note);
  const final = verdict && standing ? scored(graph, verdict.metric, standing) : graph;
  return exportOnnx(final, { producerVersion: sutureVersion });
}
