/** Scores of networks on validation data as it is, and under shift. */
import type { Execution } from '../execution/progress.ts';
import type { Network } from '../network/network.ts';
import type { LabelledData } from './labelled.ts';
import { measureOnSets } from './score-networks.ts';
import { isChangeable, stressScore } from './stress.ts';
import { stressSets } from './stress-sets.ts';

/** A network's score on the validation data. */
export interface ValidationScore {
  /** `a`, `b`, …, `teacher`, `student`, `network`, and `start`: what was trained before it was. */
  readonly network: string;
  /** NaN where nothing could be scored, as is the next. */
  readonly value: number;
  /** The mean over the default suite of changes: see `stressSets`. */
  readonly shift: number;
}

/** Scores at home and under shift. */
export async function validationScores(
  execution: Execution,
  networks: readonly Network[],
  labelled: LabelledData,
  seed: number,
): Promise<ValidationScore[]> {
  const stress = isChangeable(labelled.dataset) ? await stressSets(labelled, networks, { seed }) : [];
  const sets = [labelled, ...stress.map(({ data }) => data)];
  const [values, ...others] = (await measureOnSets(execution, networks, sets)).map(measured =>
    measured.map(({ metric }) => metric.score().value),
  );
  // What no change changes scores as it does at home.
  const shifted = stress.length > 0 ? others : [values];
  return networks.map(({ name }, i) => ({
    network: name,
    value: values[i],
    shift: stressScore(shifted.map(scores => scores[i])).value,
  }));
}
