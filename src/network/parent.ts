/** A parent: a network as its file has it, and what its output means. */
import type { OutputMeaning } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { establishMeaning, type MeaningOptions } from './meaning.ts';
import type { Model } from './model.ts';
import { type Network, networkOf } from './network.ts';

export interface Parent extends Model, Network {}

/** A network from a file, under its path. @throws SutureError as `interfaceOf`. */
export const parentWith = (model: Model, meaning: OutputMeaning): Parent => ({
  ...model,
  ...networkOf(model.graph, model.path, meaning),
});

/** As {@link parentWith}, looked at on some of the data where its file leaves open what its output means. @throws SutureError as `establishMeaning`. */
export const parentOf = async (model: Model, dataset: Dataset, options?: MeaningOptions): Promise<Parent> =>
  parentWith(model, await establishMeaning(model.graph, model.path, dataset, options));
