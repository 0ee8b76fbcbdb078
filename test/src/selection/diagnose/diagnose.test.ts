/** Every sign on networks that are made to show it, and none on a healthy pair; figures against what follows from the networks' formulas. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol } from '../../../../ir/index.ts';
import {
  meaningOf,
  parametersOf,
  type Stitch,
  type StitchParameters,
  type SuperNetwork,
  stitch,
} from '../../../../passes/index.ts';
import type { Dataset } from '../../../../src/data/dataset.ts';
import { Random } from '../../../../src/data/random.ts';
import { changeOf } from '../../../../src/data/shift/suite.ts';
import { withExecutor } from '../../../../src/execution/open.ts';
import { LabelledData } from '../../../../src/metrics/labelled.ts';
import { parentWith } from '../../../../src/network/parent.ts';
import { tagged } from '../../../../src/network/tags.ts';
import {
  type Diagnosing,
  diagnoseNetwork,
  diagnosisSchema,
  type RunDiagnosis,
} from '../../../../src/selection/diagnose/diagnose.ts';

const side = 8;
const layers = 4;

/** What a parent says of x: its features are all x - threshold, its logits 0 and sharpness · (x - threshold). */
interface Opinion {
  readonly threshold: number;
  readonly sharpness: number;
}

function parent({ threshold, sharpness }: Opinion): Graph {
  const b = new GraphBuilder('opinion');
  const constant = (shape: readonly number[], values: readonly number[]) => b.constant(float32(shape, values), 'w');
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, side, side] });
  for (let i = 0; i < layers; i++) {
    const bias = i === 0 ? -threshold : 0;
    x = b.op('Conv', [x, constant([1, 1, 1, 1], [1]), constant([1], [bias])], {}, { name: `layer${i}` });
  }
  b.output('logits', b.op('Conv', [x, constant([2, 1, 1, 1], [0, sharpness]), constant([2], [0, 0])]));
  return b.build();
}

const random = Random.seeded(5, 'images');
const count = 12;
const images = Float32Array.from({ length: count * side * side }, () => random.normal());

/** A place is foreground where x is above ½. */
const dataset: Dataset = {
  source: 'images.npz',
  count,
  images,
  imageShape: [1, side, side],
  labels: {
    data: Uint8Array.from(images, x => (x > 0.5 ? 1 : 0)),
    shape: [side, side],
    ignore: undefined,
    regions: undefined,
    task: undefined,
  },
  arrays: ['images', 'labels'],
};

const affine = (network: SuperNetwork, weight: number, bias = 0): StitchParameters =>
  parametersOf(network, (_: Stitch) => ({ weight: Float64Array.of(weight), bias: Float64Array.of(bias) }));

async function diagnosed(
  opinions: readonly [Opinion, Opinion],
  parameters: (network: SuperNetwork) => StitchParameters,
  asked: (data: LabelledData) => Diagnosing,
): Promise<RunDiagnosis> {
  const parents = opinions.map((opinion, i) => {
    const graph = parent(opinion);
    const model = { path: `${'ab'[i]}.onnx`, file: graph, graph, sha256: '', warnings: [], external: [] };
    return parentWith(model, meaningOf(graph, graph.outputs[0].value));
  });
  const pairs = Array.from({ length: layers }, (_, i) => ({ features: { a: `layer${i}`, b: `layer${i}` } }));
  const network = stitch(tagged(parents), pairs);
  const joined = { network, parents, parameters: parameters(network) };
  const data = LabelledData.for(parents, dataset);
  const found = await withExecutor({ executor: 'ort' }, executor => diagnoseNetwork({ executor }, joined, asked(data)));
  // What is printed is what the schema reads.
  expect(v.parse(diagnosisSchema, JSON.parse(JSON.stringify(found)))).toEqual(found);
  return found;
}

const labelled = (data: LabelledData): Diagnosing => ({ dataset, data, changes: [changeOf('gamma')] });
const statuses = ({ signs }: RunDiagnosis) => Object.values(signs).map(({ status }) => status);

/** The plain mean of these is nearly a's answer, and the mean of their features is right. */
const healthy = [
  { threshold: 0.3, sharpness: 20 },
  { threshold: 0.7, sharpness: 1 },
] as const;

const right = { threshold: 0.5, sharpness: 5 };

describe('the diagnosis of a run', () => {
  it('sees no sign on a pair whose mean of features is better than the mean of their answers', async () => {
    const found = await diagnosed(healthy, network => affine(network, 1), labelled);
    expect(statuses(found)).toEqual(['not seen', 'not seen', 'not seen', 'not seen']);
    expect(found.signs.noGain.agreements).toMatchObject([{ partner: 'b', images: count }]);
    expect(found.positions.map(({ depth }) => depth)).toEqual([0.2, 0.4, 0.6, 0.8]);
  });

  it('gives the figures that follow from the formulas', async () => {
    const parts = (data: LabelledData): Diagnosing => ({ ...labelled(data), batch: 5 });
    const { signs, positions } = await diagnosed(healthy, network => affine(network, 0.5, 0.1), parts);
    const mean = (of: (x: number) => number): number => images.reduce((sum, x) => sum + of(x), 0) / images.length;
    const [mx, vx] = [mean(x => x), mean(x => x ** 2) - mean(x => x) ** 2];
    const [a, b] = healthy;
    for (const { from, to, home } of signs.outOfDistribution.stitches!) {
      const [source, target] = from === 'a' ? [a, b] : [b, a];
      const stitched = (x: number): number => 0.5 * (x - source.threshold) + 0.1;
      const error = mean(x => (stitched(x) - (x - target.threshold)) ** 2);
      const off = stitched(mx) - (mx - target.threshold);
      expect(to).toBe(from === 'a' ? 'b' : 'a');
      expect(home.residual).toBeCloseTo(error / vx, 4);
      expect(home.meanShift).toBeCloseTo(Math.abs(off) / Math.sqrt(vx), 4);
      expect(home.varianceRatio).toBeCloseTo(0.25, 4);
      expect(home.distance).toBeCloseTo(Math.hypot(off, 0.5 * Math.sqrt(vx)) / Math.sqrt(vx), 4);
    }
    const yes =
      ({ threshold, sharpness }: Opinion, feature = (x: number) => x - threshold) =>
      (x: number) =>
        1 / (1 + Math.exp(-sharpness * feature(x)));
    const averaged = (own: Opinion, other: Opinion) =>
      yes(own, x => (x - own.threshold + 0.5 * (x - other.threshold) + 0.1) / 2);
    const ensemble = (x: number): number => (yes(a)(x) + yes(b)(x)) / 2;
    const stitched = (x: number): number => (averaged(a, b)(x) + averaged(b, a)(x)) / 2;
    const divergence = mean(x => {
      const [p, q] = [ensemble(x), stitched(x)];
      return p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
    });
    const entropy = mean(x => {
      const q = stitched(x);
      return -q * Math.log(q) - (1 - q) * Math.log(1 - q);
    });
    for (const position of positions) {
      expect(position.divergence).toBeCloseTo(divergence, 4);
      expect(position.entropy).toBeCloseTo(entropy, 4);
      expect(position.similarity).toBeCloseTo(1, 4);
    }
  });

  it('sees a collapse where the errors of stitches add up', async () => {
    const { signs } = await diagnosed([right, right], network => affine(network, 1, -0.6), labelled);
    expect(signs.collapse).toMatchObject({ status: 'seen', worst: { count: layers } });
    const values = signs.collapse.counts!.map(({ value }) => value);
    expect(values.every((value, i) => i === 0 || value < values[i - 1])).toBe(true);
    expect(signs.collapse.worst!.difference.high).toBeLessThan(0);
  });

  it('sees the loss of an ensemble with a partner that is sure and wrong', async () => {
    const partner = { threshold: 2, sharpness: 50 };
    const { signs } = await diagnosed([right, partner], network => affine(network, 1), labelled);
    expect(signs.ownSiteLoss.status).toBe('seen');
    expect(signs.ownSiteLoss.difference!.high).toBeLessThan(0);
  });

  it('sees that nothing is gained where the networks say the opposite, and says what may be wrong', async () => {
    const opposite = { threshold: 0.5, sharpness: -5 };
    const { signs } = await diagnosed([right, opposite], network => affine(network, 1), labelled);
    expect(signs.noGain.status).toBe('seen');
    expect(signs.noGain.disagreements).toMatchObject([expect.stringContaining('the channels in another order')]);
  });

  it('counts a gain on a test set as one', async () => {
    const asked = (data: LabelledData): Diagnosing => ({ dataset, data, tests: [{ name: 'elsewhere', data }] });
    const { signs } = await diagnosed(healthy, network => affine(network, 1), asked);
    const [own, test] = ['own', 'elsewhere'].map(on => signs.noGain.comparisons!.filter(({ data }) => data === on));
    expect(own.map(({ against }) => against)).toEqual(['output ensemble', 'parent a', 'parent b']);
    expect(test.map(({ difference }) => difference)).toEqual(own.map(({ difference }) => difference));
  });

  it('sees features that lie where the layers behind have never been', async () => {
    const { signs } = await diagnosed(
      [right, right],
      network => affine(network, 3),
      data => ({ dataset, data }),
    );
    expect(signs.outOfDistribution.status).toBe('seen');
    expect(signs.outOfDistribution.stitches![0].home.distance).toBeGreaterThan(2);
    expect(signs.outOfDistribution.changes).toHaveLength(8);
  });

  it('says of each sign why it is not judged', async () => {
    const { labels: _, ...unlabelled } = dataset;
    const bare = await diagnosed(
      healthy,
      network => affine(network, 1),
      () => ({ dataset: unlabelled }),
    );
    expect(statuses(bare)).toEqual(['not judged', 'not judged', 'not judged', 'not seen']);
    expect(bare.signs.collapse.reason).toMatch(/no labels/);
    expect(bare).not.toHaveProperty('correlations');
    const least = Math.min(...bare.positions.map(({ divergence }) => divergence!));
    expect(bare.suggested.by).toBe('divergence');
    expect(bare.positions[bare.suggested.position].divergence).toBe(least);
    const blind = await diagnosed(
      healthy,
      network => affine(network, 1),
      () => ({}),
    );
    expect(statuses(blind)).toEqual(Array(4).fill('not judged'));
    expect(blind.positions[0]).toEqual({ position: 0, a: 'layer0', b: 'layer0', depth: 0.2 });
    expect(blind.suggested).toEqual({ position: 2, by: 'depth' });
  });
});
