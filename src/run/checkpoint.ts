/** What every checkpoint holds beside tensors: where the training was. */
import * as v from 'valibot';

export const naturalSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The state of a generator of random numbers. */
export const randomStateSchema = v.pipe(v.tuple([v.number(), v.number(), v.number(), v.number()]), v.readonly());

/** What draws the batches: `SamplerState`. */
export const samplerStateSchema = v.object({
  count: v.number(),
  epoch: v.number(),
  position: v.number(),
  random: randomStateSchema,
});
