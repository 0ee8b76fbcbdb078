/** Shares of branches before their gate that give each the say it had before training. */
import { numbersOf } from '../../ir/index.ts';
import { doubtAbreast, doubtsOutput } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import type { Execution } from '../execution/progress.ts';
import type { Network } from '../network/network.ts';

/** Images that are asked about, spread over the data. */
const mostImages = 64;

/** Images at a time. */
const atATime = 8;

/** Networks whose answers stand side by side: see `settleAbreast`. */
export interface Balanced {
  readonly student: Network;
  /** Has, for each answer of the student, the one that it learned. */
  readonly teacher: Network;
  /** Without labels: images as they are. */
  readonly dataset: Dataset;
}

/**
 * What learning has added to the doubt of each branch ({@link doubtAbreast}) is taken from it again: a gate that divides these shares by
 * doubts squared weighs the branches, on the own images and in the geometric mean, as it weighs their teachers.
 *
 *     w_i ∝ exp(2 · mean over images of log(doubt_i of the student / doubt_i of the teacher)),    Σ w_i = 1
 */
export async function balancedShares(
  execution: Execution,
  { student, teacher, dataset }: Balanced,
): Promise<readonly number[]> {
  const count = Math.min(mostImages, dataset.count);
  const images = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
  const [after, before] = [
    await logDoubts(execution, student, dataset, images),
    await logDoubts(execution, teacher, dataset, images),
  ];
  const weights = after.map((mean, branch) => Math.exp(2 * (mean - before[branch])));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}

/** The mean over images of the logarithm of each branch's doubt. */
async function logDoubts(
  { executor }: Execution,
  { graph, meaning, input }: Network,
  dataset: Dataset,
  images: readonly number[],
): Promise<readonly number[]> {
  const runnable = new Runnable(executor, doubtAbreast(graph, meaning));
  const sums: number[] = [];
  try {
    for (let first = 0; first < images.length; first += atATime) {
      const asked = imagesOf(dataset, images.slice(first, first + atATime));
      const doubts = (await runnable.run({ [input]: asked }))[doubtsOutput];
      const branches = doubts.shape[1];
      for (const [i, doubt] of Array.from(numbersOf(doubts)).entries()) {
        sums[i % branches] = (sums[i % branches] ?? 0) + Math.log(doubt);
      }
    }
  } finally {
    runnable.dispose();
  }
  return sums.map(sum => sum / images.length);
}
