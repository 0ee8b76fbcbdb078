/**
 * What costs no training: the output-weighted ensembles of the unstitched parents. Together they are the front that a network must lie beyond
 * to be worth more than what anybody has who has the parents.
 */
import { original } from '../../passes/index.ts';
import type { Execution } from '../execution/progress.ts';
import { type Difference, type Groups, intervalOf } from '../metrics/bootstrap.ts';
import type { Metric } from '../metrics/metric.ts';
import type { TrainedNetwork } from '../network/network.ts';
import { beyond, surfaceOf } from './front.ts';
import { measure, type NamedData, prepare } from './measure.ts';
import { type ShareLattice, shareLattice } from './simplex.ts';

/** The ways of sharing that stand for all: of two parents, each fortieth. */
export const rivalLattice = (parents: number): ShareLattice => shareLattice(parents, 40, 500);

/** The rivals, scored on some data sets. */
export class Rivals {
  readonly #faces: ShareLattice['faces'];
  /** Of each set, those of all rivals. */
  readonly #metrics: readonly (readonly Metric[])[];

  private constructor(faces: ShareLattice['faces'], metrics: readonly (readonly Metric[])[]) {
    this.#faces = faces;
    this.#metrics = metrics;
  }

  /** @throws SutureError `data-invalid` when the data does not fit the networks. */
  static async measure(execution: Execution, trained: TrainedNetwork, sets: readonly NamedData[]): Promise<Rivals> {
    const { outputs, faces } = rivalLattice(trained.network.parents.length);
    const blends = outputs.map(output => ({ output }));
    const prepared = prepare(trained, [{ setting: original(trained.network), blends }]);
    const measured = await measure(execution, prepared, sets);
    return new Rivals(
      faces,
      measured.map(([found]) => blends.map(blend => found!.metricOf(blend))),
    );
  }

  /**
   * What may be taken off a network's score on every set before some rival is as good on all: positive beyond the rivals' front, negative
   * behind it.
   *
   * @param metrics the network's, one for each set.
   */
  beyond(metrics: readonly Metric[]): number {
    return this.#beyondOf(
      metrics,
      this.#with(metrics).map(set => set.map(metric => metric.score().value)),
    );
  }

  /** {@link Rivals.beyond} with its interval. @param groups of each set, the images that are not independent of each other. */
  interval(metrics: readonly Metric[], groups: readonly Groups[]): Difference {
    const sets = this.#with(metrics).map((set, i) => ({ metrics: set, groups: groups[i] }));
    return intervalOf(sets, scores => this.#beyondOf(metrics, scores));
  }

  /** A network's metrics, each before those of all rivals. */
  #with(metrics: readonly Metric[]): readonly (readonly Metric[])[] {
    return metrics.map((metric, i) => [metric, ...this.#metrics[i]]);
  }

  /** @param scores of each set, the network's and then the rivals'. */
  #beyondOf(metrics: readonly Metric[], scores: readonly (readonly number[])[]): number {
    const signs = metrics.map(({ higherIsBetter }) => (higherIsBetter ? 1 : -1));
    const [point, ...rivals] = scores[0].map((_, network) => scores.map((set, i) => signs[i] * set[network]));
    return beyond(point!, surfaceOf(rivals, this.#faces));
  }
}
