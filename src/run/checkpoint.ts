/** What every checkpoint holds beside tensors: where the training was. */
import * as v from 'valibot';
import type { SamplerState } from '../data/sampler.ts';

export const naturalSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const hashSchema = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal is expected'));

const wordSchema = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1));

/** The state of a generator of random numbers. */
export const randomStateSchema = v.pipe(
  v.tuple([wordSchema, wordSchema, wordSchema, wordSchema]),
  v.check(words => words.some(word => word !== 0), 'not all words of a generator are 0'),
  v.readonly(),
);

/** What draws the batches: `SamplerState`. */
export const samplerStateSchema = v.pipe(
  v.object({ count: naturalSchema, epoch: naturalSchema, position: naturalSchema, random: randomStateSchema }),
  v.check(({ count, position }) => position <= count, 'no more images of an epoch are drawn than there are'),
);

/** Whether a training comes to a state: so many steps done, and as many images drawn as they take. */
export const isReached = (
  { step, sampler }: { readonly step: number; readonly sampler: SamplerState },
  { steps, batch }: { readonly steps: number; readonly batch: number },
  count: number,
): boolean => step <= steps && sampler.count === count && sampler.epoch * count + sampler.position === step * batch;
