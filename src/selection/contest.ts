/** The candidates of a run against each other, on the own validation data and under shift. */
import { printable, SutureError } from '../../ir/errors.ts';
import type { Execution } from '../execution/progress.ts';
import { groupsOf } from '../metrics/bootstrap.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import type { Metric } from '../metrics/metric.ts';
import { dataFacts, type StressSet } from '../metrics/stress.ts';
import type { Blueprint, Candidates, Student } from './candidates.ts';
import { eligibleOf, type Judged, judge, type StoredVerdict } from './verdict.ts';

/** What candidates are held against. */
export interface Contest {
  readonly own: LabelledData;
  /** The own images under changes, or other data; none: candidates are compared at home alone. */
  readonly stress: readonly StressSet[];
  /** The highest cost that may be chosen. Default: any. */
  readonly budget?: number | undefined;
}

/**
 * Measures all candidates, and judges.
 *
 * @throws SutureError `option-invalid` where nothing is as cheap as the budget.
 */
export async function contest(
  execution: Execution,
  candidates: Candidates,
  { own, stress, budget = Number.POSITIVE_INFINITY }: Contest,
): Promise<StoredVerdict> {
  const [atHome] = await candidates.measure(execution, [{ name: 'validation', data: own }]);
  const groups = groupsOfSets(own, stress);
  const measured = candidates.all.map(({ name, family, kind, cost, share }) => ({
    ...{ name, family, kind, cost, share },
    own: atHome!.get(name)!,
    stress: [] as Metric[],
  }));
  const { eligible } = eligibleOf(measured, { ...groups, stress: [] }, budget);
  const hopeless = new Set(measured.filter(candidate => !eligible.includes(candidate)).map(({ name }) => name));
  const shifted = await candidates.measure(execution, stress, hopeless);
  for (const { name, stress: metrics } of measured) {
    metrics.push(...shifted.map(found => found.get(name)).filter(m => m !== undefined));
  }
  return {
    data: { source: own.dataset.source, images: own.dataset.count },
    metric: measured[0].own.name,
    stress: dataFacts(stress),
    ...(Number.isFinite(budget) && { budget }),
    ...judge(measured, groups, budget),
  };
}

/** The same groups are drawn of data sets that share their labels: those are changes of the same images. */
export function groupsOfSets(own: LabelledData, stress: readonly StressSet[]): Judged {
  const known = new Map<unknown, Judged['own']>();
  const groupsOfData = ({ dataset }: LabelledData): Judged['own'] => {
    const groups = known.get(dataset.labels) ?? groupsOf(dataset);
    known.set(dataset.labels, groups);
    return groups;
  };
  return { own: groupsOfData(own), stress: stress.map(({ data }) => groupsOfData(data)) };
}

/** The candidate that a verdict is for. @throws SutureError `run-invalid` where it is none of these. */
export function chosenOf({ all }: Candidates, { standings, chosen }: StoredVerdict): Blueprint | Student {
  const { name } = standings[chosen];
  const found = all.find(candidate => candidate.name === name);
  if (found) return found;
  throw new SutureError('run-invalid', `The run's verdict is for '${printable(name)}', which cannot be made of it.`);
}
