/** `report.json` as it is read again. Nothing seals it, so what is made of it is shown and decides nothing. */
import * as v from 'valibot';
import { metricNames } from '../metrics/metric.ts';
import { differenceSchema, scoreSchema } from '../metrics/schema.ts';
import { positionEntries } from '../network/tags.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const comparisonSchema = v.object({ network: v.string(), against: v.string(), ...differenceSchema.entries });

const classSchema = v.object({ name: v.string(), mean: scoreSchema, pooled: scoreSchema, cases: count });

const testSchema = v.object({
  name: v.string(),
  data: v.string(),
  images: count,
  metric: v.picklist(metricNames),
  rows: v.array(
    v.object({
      network: v.string(),
      score: v.object({ value: scoreSchema, pooled: scoreSchema, classes: v.array(classSchema) }),
    }),
  ),
  comparisons: v.array(comparisonSchema),
});

const halfScoreSchema = v.object({ float32: scoreSchema, float16: scoreSchema, difference: differenceSchema });

const halfSchema = v.object({
  file: v.exactOptional(v.string()),
  problem: v.exactOptional(v.string()),
  metric: v.picklist(metricNames),
  own: v.exactOptional(halfScoreSchema),
  shift: v.exactOptional(halfScoreSchema),
  nodes: count,
  wide: count,
  beyond: v.array(v.object({ feature: v.string(), peak: v.number() })),
  bytes: v.object({ float32: count, float16: v.exactOptional(count) }),
  relativeError: v.exactOptional(v.number()),
});

/** What of a {@link import('./report.ts').Report} a page is made of, beside what other files of the run say. */
export const storedReportSchema = v.object({
  validation: v.object({ source: v.string(), images: count, labels: v.string() }),
  selection: v.object({ rule: v.picklist([1, 2, 3]), position: count, depth: v.optional(v.number()) }),
  exported: v.object({
    ...positionEntries,
    candidate: v.string(),
    cost: v.optional(v.number()),
    position: v.optional(count),
    gated: v.optional(v.boolean()),
    gateOver: v.optional(v.literal('case')),
    batch: v.union([count, v.literal('any')]),
    sizes: v.optional(v.string()),
    nodes: count,
    parameters: count,
  }),
  half: v.exactOptional(halfSchema),
  tests: v.array(testSchema),
  sharedData: v.optional(v.array(v.string())),
  front: v.optional(
    v.object({
      sets: v.array(v.string()),
      rows: v.array(v.object({ network: v.string(), beyond: scoreSchema })),
      exported: v.object({ network: v.string(), ...differenceSchema.entries }),
    }),
  ),
  agreement: v.object({ relativeError: scoreSchema, images: count, agrees: v.boolean() }),
});

/** A line of `metrics.jsonl`. */
export const metricsLineSchema = v.object({
  step: v.number(),
  loss: v.number(),
  learningRate: v.optional(v.number()),
  terms: v.optional(v.record(v.string(), v.number())),
  /** Of a federated training: the number of the site. */
  site: v.optional(v.number()),
});

export type MetricsLine = v.InferOutput<typeof metricsLineSchema>;
export type StoredReport = v.InferOutput<typeof storedReportSchema>;
export type StoredTest = StoredReport['tests'][number];
