/** A parent: a network as its file has it, and what its output means. */
import type { OutputMeaning } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { establishMeaning, type MeaningOptions, type NamedGraph } from './meaning.ts';
import type { Model } from './model.ts';

export interface Parent extends Model {
  readonly meaning: OutputMeaning;
}

/** A network with what its output means, looked at on some of the data where its file leaves that open. @throws SutureError as `establishMeaning`. */
export const parentOf = async (model: Model, dataset: Dataset, options?: MeaningOptions): Promise<Parent> => ({
  ...model,
  meaning: await establishMeaning(model.graph, model.path, dataset, options),
});

/** Under its path. */
export const named = ({ path, graph, meaning }: Parent): NamedGraph => ({ name: path, graph, meaning });
