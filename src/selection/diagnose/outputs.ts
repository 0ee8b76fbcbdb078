/** What settings of a network answer: scores where there are labels, and how far the answers lie from those of the plain ensemble. */
import type { Tensor } from '../../../ir/index.ts';
import { type OutputMeaning, original, type Setting, settle, settledMeaning } from '../../../passes/index.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Execution } from '../../execution/progress.ts';
import type { LabelledData } from '../../metrics/labelled.ts';
import type { Metric } from '../../metrics/metric.ts';
import { score } from '../../metrics/scoring.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { toProbabilities } from '../../network/outputs.ts';
import { runParts } from '../parts.ts';

/** A setting under a name of its own. */
export interface NamedSetting {
  readonly name: string;
  readonly setting: Setting;
}

/** What one setting answered. */
export interface Answered {
  /** What the answers score; absent without labels. */
  readonly metric?: Metric;
  /**
   * The divergence KL(ensemble ‖ setting) in nats, a mean over places and images; of channels that each stand for themselves, summed over them.
   * Absent where outputs are no probabilities.
   */
  readonly divergence?: number;
  /** The answers' entropy in nats, likewise. */
  readonly entropy?: number;
}

/** What probabilities below it count for in logarithms. */
const least = 1e-12;

/** Divergence and entropy, summed over places. `alone`: channels are no distribution, each is one of its own with its complement. */
function sumsOf(p: Float64Array, q: Float64Array, alone: boolean): readonly [divergence: number, entropy: number] {
  let [divergence, entropy] = [0, 0];
  const count = (of: number, against: number): void => {
    const log = Math.log(Math.max(least, against));
    divergence += of * (Math.log(Math.max(least, of)) - log);
    entropy -= against * log;
  };
  for (let i = 0; i < p.length; i++) {
    count(p[i], q[i]);
    if (alone) count(1 - p[i], 1 - q[i]);
  }
  return [divergence, entropy];
}

/** Settings, and the images that they are run on. */
interface AskedSettings {
  readonly settings: readonly NamedSetting[];
  readonly dataset: Dataset;
  /** With their labels, where there are some. */
  readonly data: LabelledData | undefined;
  readonly batch: number | undefined;
}

/**
 * Runs settings, and the plain output ensemble, on all images. What they have in common is computed once for each batch.
 *
 * @throws SutureError as `runParts`.
 */
export async function answersOfSettings(
  execution: Execution,
  { network, parameters }: TrainedNetwork,
  { settings, dataset, data, batch }: AskedSettings,
): Promise<ReadonlyMap<string, Answered>> {
  const [output] = network.outputs;
  // The ensemble is first, so that its answers are known before those of any other round.
  const plain = { name: 'ensemble', setting: original(network) };
  const parts = [plain, ...settings].map(({ name, setting }) => {
    const graph = settle(network, setting, parameters);
    const meaning = settledMeaning(output, setting);
    const metric = data?.metricFor({ name: 'the stitched network', graph, meaning });
    return { name, graph, meaning, metric, divergence: 0, entropy: 0 };
  });
  const ensemble = new Map<number, Float64Array>();
  const isProbable = output.meaning.kind !== 'values';
  const alone = output.meaning.activation === 'sigmoid';
  let places = 0;
  const work = { parts, sets: [{ dataset, stage: 'looking at answers' }], batch };
  await runParts(execution, work, (round, outputs, _, first) => {
    for (const part of round) {
      const found = outputs[`${part.name}/${part.graph.outputs[0].name}`];
      if (part.metric) score(part.metric, found, part.meaning, first);
      if (!isProbable) continue;
      const probabilities = toProbabilities(found, part.meaning);
      if (part.name === plain.name) {
        ensemble.set(first, probabilities);
        places += probabilities.length / channelsOf(found, part.meaning);
      }
      const [divergence, entropy] = sumsOf(ensemble.get(first)!, probabilities, alone);
      part.divergence += divergence;
      part.entropy += entropy;
    }
  });
  return new Map(
    parts.map(({ name, metric, divergence, entropy }) => [
      name,
      {
        ...(metric && { metric }),
        ...(isProbable && { divergence: divergence / places, entropy: entropy / places }),
      },
    ]),
  );
}

const channelsOf = ({ shape }: Tensor, { channelAxis }: OutputMeaning): number =>
  channelAxis === undefined ? 1 : shape[channelAxis];
