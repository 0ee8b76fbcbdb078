/** What an exported network says of itself in its file, so that nothing else has to be handed over: see `docs/onnx.md`. */
import type { Graph } from '../../ir/index.ts';
import { type DatasetNames, datasetDocument, datasetNames } from '../preprocessing/dataset-json.ts';
import { type Plans, plansDocument, plansFrom, plansKey, plansText } from '../preprocessing/plans.ts';

/** How a case becomes its input, and what its output is called; what is not known is absent. */
export interface Needs {
  readonly plans?: Plans | undefined;
  readonly names?: DatasetNames | undefined;
}

const keys = { plans: plansKey, dataset: 'suture.dataset' } as const;

/** As documents of nnU-Net, so that whoever writes them to files has what nnU-Net's own tools take. */
export const needsMetadata = ({ plans, names }: Needs): Readonly<Record<string, string>> => ({
  ...(plans && { [keys.plans]: JSON.stringify(plansDocument(plans)) }),
  ...(names && { [keys.dataset]: JSON.stringify(datasetDocument(names)) }),
});

/** What a file says. @throws SutureError `plans-invalid`, `data-invalid` where it is not what was written. */
export function needsOf({ info: { metadata = {} } }: Graph, source: string): Needs {
  const read = (key: string): unknown => {
    try {
      return JSON.parse(metadata[key]);
    } catch {
      return undefined;
    }
  };
  return {
    ...(keys.plans in metadata && { plans: plansFrom(read(keys.plans), source) }),
    ...(keys.dataset in metadata && { names: datasetNames(read(keys.dataset), source) }),
  };
}

/** The same in words, a sentence each. */
export const needsTexts = ({ plans, names }: Needs): readonly string[] => [
  ...(plans ? [`It takes cases ${plansText(plans)}.`] : []),
  ...(names && names.channels.length > 0 ? [`Its channels are ${names.channels.join(', ')}.`] : []),
  ...(names
    ? [
        `Labels: ${Object.entries(names.labels)
          .map(([name, label]) => `${[label].flat().join('+')} ${name}`)
          .join(', ')}.`,
      ]
    : []),
];
