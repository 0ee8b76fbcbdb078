/** The directory of a network that is trained on labels: what `suture train` makes. See `docs/train.md`. */
import * as v from 'valibot';
import { tasks } from '../../passes/index.ts';
import { networkTrainingSchema } from '../training/network.ts';
import { naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import {
  closingEntries,
  dataEntries,
  storedNetworkSchema,
  type WholeDirectory,
  type WholeKind,
  wholeLayout,
} from './whole.ts';

const configSchema = v.object({
  format: v.literal('suture-network'),
  version: v.literal(1),
  /** What is trained, with the weights that it begins with. */
  start: storedNetworkSchema,
  /** The outputs that are trained, the network's own first, where there are several. */
  outputs: v.optional(v.array(v.string())),
  task: v.picklist(tasks),
  labels: v.optional(labelsSchema),
  training: networkTrainingSchema,
  /** Whose data it is trained on. */
  sites: v.pipe(v.array(v.object({ name: v.string(), ...dataEntries, images: naturalSchema })), v.minLength(1)),
  /** Scores are those of the network before it was trained; none of fresh weights. */
  ...closingEntries,
});

export type TrainedConfig = v.InferOutput<typeof configSchema>;

export type TrainedDirectory = WholeDirectory<TrainedConfig, never>;

export const trainedNetworks: WholeKind<TrainedConfig, never> = {
  what: 'network',
  whose: "trained network's",
  layout: wholeLayout(
    { start: 'start.onnx', model: 'network.onnx' },
    { what: 'network', training: 'suture train', evaluating: 'suture evaluate' },
  ),
  schema: configSchema,
  titles: { start: of => of, model: of => `${of}, trained` },
  stored: ({ start }) => start,
  again: 'train again',
  maker: 'suture train -o',
};
