/** Shares of branches before their gate that give each the say it had before training. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import { doubtAbreast, doubtsOutput, weightsAgainst } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import type { Execution } from '../execution/progress.ts';
import type { Network } from '../network/network.ts';
import { drawnImages, type WholeSettings } from './whole.ts';

/** Images that are asked about, at least, spread over the data. */
const leastImages = 64;

/** Networks whose answers stand side by side: see `settleAbreast`. */
export interface Balanced {
  readonly student: Network;
  /** Has, for each answer of the student, the one that it learned. */
  readonly teacher: Network;
  /** Without labels. */
  readonly dataset: Dataset;
  /** How the images were changed that it learned from: these are drawn as those of steps behind the last. */
  readonly training: Pick<WholeSettings, 'seed' | 'shift' | 'turn' | 'batch' | 'steps'>;
}

/**
 * What learning has added to the doubt of each branch ({@link doubtAbreast}) is taken from it again: a gate that starts from these shares
 * weighs the branches, on images as they were trained on and in the geometric mean, as it weighs their teachers. See
 * {@link weightsAgainst}.
 */
export async function balancedShares(
  execution: Execution,
  { student, teacher, dataset, training }: Balanced,
): Promise<readonly number[]> {
  const { batch, steps } = training;
  const drawn = drawnImages(dataset, training);
  const takes = Math.ceil(leastImages / batch);
  const batches = Array.from({ length: takes }, (_, take) => {
    const places = Array.from({ length: batch }, (_, i) => (take * batch + i) / (takes * batch));
    const numbers = places.map(place => Math.floor(place * dataset.count));
    return drawn(numbers, steps + take).images;
  });
  const [after, before] = [await logDoubts(execution, student, batches), await logDoubts(execution, teacher, batches)];
  return weightsAgainst(after.map((mean, branch) => mean - before[branch]));
}

/** The mean over images of the logarithm of each branch's doubt. */
async function logDoubts(
  { executor }: Execution,
  { graph, meaning, input }: Network,
  batches: readonly Tensor[],
): Promise<readonly number[]> {
  const runnable = new Runnable(executor, doubtAbreast(graph, meaning));
  const sums: number[] = [];
  let count = 0;
  try {
    for (const images of batches) {
      const doubts = (await runnable.run({ [input]: images }))[doubtsOutput];
      const [size, branches] = doubts.shape;
      for (const [i, doubt] of Array.from(numbersOf(doubts)).entries()) {
        sums[i % branches] = (sums[i % branches] ?? 0) + Math.log(doubt);
      }
      count += size;
    }
  } finally {
    runnable.dispose();
  }
  return sums.map(sum => sum / count);
}
