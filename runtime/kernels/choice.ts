/** Kernels that come in sizes: the model's best, unless measurement on the adapter prefers another. */
import type { Candidate, KernelContext, KernelPlan } from './kernel.ts';

/** Runs that compiling must pay off in. Training makes hundreds; evaluating a network on a data set a few. */
export const expectedRuns = 100;

/**
 * The plan of the candidate that was measured to be best on this adapter, else of the first.
 *
 * @param key the kernel family and all that decides its candidates.
 * @param candidates at least one, best first by the family's model.
 */
export function chosenPlan(context: KernelContext, key: string, candidates: readonly Candidate[]): KernelPlan {
  const measured = context.choices?.get(key);
  const candidate = candidates.find(({ name }) => name === measured) ?? candidates[0];
  const plan = candidate.plan();
  return candidates.length > 1 ? { ...plan, choice: { key, name: candidate.name, candidates } } : plan;
}

/** The key of a specification, which holds numbers and flags only. */
export const choiceKey = (family: string, spec: object, fused: boolean): string =>
  `${family}${fused ? '+' : ''} ${JSON.stringify(spec)}`;
