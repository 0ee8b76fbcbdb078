/** Scores as documents keep them. */
import * as v from 'valibot';

/** NaN (a score of nothing) is null in JSON. */
export const scoreSchema = v.union([
  v.number(),
  v.pipe(
    v.null(),
    v.transform(() => Number.NaN),
  ),
]);

/** A network's score under shift, and that on each stress set in their order: see `stressScore`. */
export const stressScoreSchema = v.object({ value: scoreSchema, sets: v.array(scoreSchema) });

/** Data sets that were scored. */
export const dataSetsSchema = v.array(v.object({ name: v.string(), source: v.string(), images: v.number() }));

/** A difference of two scores with its interval: see `Difference`. */
export const differenceSchema = v.object({
  value: scoreSchema,
  low: scoreSchema,
  high: scoreSchema,
  groups: v.number(),
});
