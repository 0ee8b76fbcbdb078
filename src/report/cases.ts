/** Every class of every case, as a table and as nnU-Net has it. */
import type { Dataset } from '../data/dataset.ts';
import { caseName } from '../metrics/by-case.ts';
import type { CaseScore, Metric } from '../metrics/metric.ts';
import type { SurfaceCase } from '../metrics/surface.ts';
import { csvText } from './csv.ts';

/** One class of one case, as a network answers it. */
export interface ListedCase extends Omit<CaseScore, 'case'>, Partial<SurfaceCase> {
  /** The test set, where there are several. */
  readonly set?: string;
  readonly model: string;
  /** Its name where it has one, else its `id`; where images are cases, their numbers from 0 on. */
  readonly case: string;
}

/** What a network answers for each class of each case of a data set. */
export const listedCases = (
  { metric, ...of }: { readonly set?: string; readonly model: string; readonly metric: Metric },
  dataset: Pick<Dataset, 'caseNames'>,
): readonly ListedCase[] => metric.cases().map(found => ({ ...of, ...found, case: caseName(dataset, found.case) }));

/** Cases as CSV: a row for each network, case and class; numbers that are not defined are left empty, infinite ones `inf`. */
export const caseTable = (cases: readonly ListedCase[]): string =>
  csvText(
    cases.map(({ set, model, case: id, class: _, name, ...counts }) => ({
      ...(set !== undefined && { test: set }),
      network: model,
      case: id,
      class: name,
      ...counts,
    })),
  );
