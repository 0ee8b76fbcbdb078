/** Training steps within a budget of memory. */
import { type Graph, SutureError } from '../../ir/index.ts';
import { arrange, peakBytes } from '../../passes/index.ts';

const MIB = 2 ** 20;

/** A number of bytes for people. */
export const mebibytes = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;

/**
 * Arranges a training step, whose output `loss` holds its loss, so that its activations stay within `memory`: bytes, or up to 1 a
 * fraction of what they take when nothing is computed again. Without it nothing is.
 *
 * @throws SutureError `device-memory` when no plan that was found is small enough.
 */
export function arrangeWithin(graph: Graph, loss: string, memory: number | undefined): Graph {
  const free = arrange(graph, { step: { loss } });
  if (memory === undefined) return free;
  const unlimited = peakBytes(free);
  const budget = memory <= 1 ? memory * unlimited : memory;
  if (unlimited <= budget) return free;
  const frugal = arrange(graph, { step: { loss, budget } });
  const least = peakBytes(frugal);
  if (least <= budget) return frugal;
  throw new SutureError(
    'device-memory',
    `The activations of a training step take ${mebibytes(least)} however much is computed again, and ${mebibytes(budget)} were ` +
      'allowed (without a limit: ' +
      `${mebibytes(unlimited)}); raise --memory or lower --batch.`,
  );
}
