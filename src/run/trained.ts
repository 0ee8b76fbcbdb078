/** The directory of a network that is trained on labels: what `suture train` makes. See `docs/train.md`. */
import * as v from 'valibot';
import { tasks } from '../../passes/index.ts';
import { metricNames } from '../metrics/metric.ts';
import { networkTrainingSchema } from '../training/network.ts';
import { hashSchema, naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import { storedNetworkSchema, validationSchema, type WholeDirectory, type WholeKind, wholeLayout } from './whole.ts';

const dataSchema = { source: v.string(), sha256: hashSchema };

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
  sites: v.pipe(v.array(v.object({ name: v.string(), ...dataSchema, images: naturalSchema })), v.minLength(1)),
  validation: v.object(dataSchema),
  metric: v.picklist(metricNames),
  /** Of the network before it was trained, on the validation data; none of fresh weights. */
  scores: v.array(validationSchema),
  executor: v.object({ name: v.picklist(['webgpu', 'ort']), description: v.string() }),
  versions: v.record(v.string(), v.optional(v.string())),
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
