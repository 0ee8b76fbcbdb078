/** From two sites' networks and plans to one network that says what it needs, and from that to labels. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { float32, GraphBuilder, symbol } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import type { RunResult } from '../../../src/api/follow.ts';
import { inspect } from '../../../src/api/inspect.ts';
import { predict } from '../../../src/api/predict.ts';
import { type RunRequest, run } from '../../../src/api/run.ts';
import { train } from '../../../src/api/train.ts';
import { needsOf } from '../../../src/network/needs.ts';
import { writeModel } from '../../../src/network/write.ts';
import { readVolume } from '../../../src/volumes/files.ts';
import { shared } from '../cli/support.ts';
import { fewPairs, firstCases, fixture } from './first-cases.ts';

const request = {
  networks: [fixture('a.onnx'), fixture('b.onnx')],
  tests: [],
  labels: { folder: { plans: fixture('a/plans.json'), partners: { b: fixture('b/plans.json') } } },
  training: { steps: 1, batch: 1, init: 'identity', closingImages: 0 },
  stress: false,
  executor: 'ort',
} as const;

describe('two networks with plans of their own', () => {
  const folder = shared();
  const output = (): string => join(folder(), 'run');
  let result: RunResult;
  let sets: Pick<RunRequest, 'train' | 'validation' | 'pairs'>;
  beforeAll(async () => {
    const own = await firstCases('a', folder());
    const pairs = await fewPairs(request.networks, request.labels, folder());
    sets = { train: join(own, 'imagesTr'), validation: join(own, 'imagesTs'), pairs };
    result = await run({ ...request, ...sets, output: output() });
  }, 300_000);

  it('become one network that says what it takes, what it gives and how it was made', async () => {
    expect(result.agreement.agrees).toBe(true);
    const file = join(output(), 'stitched.onnx');
    const { graph } = importOnnx(file);
    const { plans, names } = needsOf(graph, file);
    // As wide as the wider of both: a clips to [-60, 190], b to [-20, 310].
    expect(plans?.normalizations[0].foreground).toEqual({ mean: 82, std: 48, low: -60, high: 310 });
    expect(names?.labels).toEqual({ background: 0, organ: 1, lesion: 2 });
    const { metadata } = graph.info;
    expect(metadata?.['suture.run']).toMatch(/^[0-9a-f]{64}$/);
    expect(metadata?.['suture.score.metric']).toBe('dice');
    expect(Number(metadata?.['suture.score.own'])).toBeGreaterThan(0.5);
    expect(graph.info.documentation).toMatch(
      /^Made by suture of 2 networks: .* resampled to 2 × 1 × 1 mm; in windows of 8 × 16 × 16/,
    );
    expect((await inspect(file)).needs).toHaveLength(3);
  });

  it('are scored beside the exported one, which takes the shared images as they are', async () => {
    const file = join(output(), 'stitched.onnx');
    const { rows } = await evaluate([...request.networks, file], sets.validation, {
      ...{ labels: request.labels, executor: 'ort' },
    });
    const exported = result.verdict.standings.find(({ name }) => name === result.exported.candidate);
    expect(rows[2].score.value).toBeCloseTo(exported?.own ?? 0, 6);
    // What one sees by its own plans alone.
    const plain = { folder: { plans: fixture('b/plans.json') } };
    const alone = await evaluate([request.networks[1]], sets.validation, { labels: plain, executor: 'ort' });
    expect(rows[1].score.value).toBeCloseTo(alone.rows[0].score.value, 3);
  });

  it('label cases by the run alone', async () => {
    const labels = join(folder(), 'labels');
    const { cases, configuration } = await predict({
      model: output(),
      data: join(await firstCases('b', folder()), 'imagesTs'),
      output: labels,
      executor: 'ort',
    });
    expect(configuration).toBe('3d_fullres');
    expect(cases).toHaveLength(1);
    const found = await readVolume(join(labels, 'bTs0.nii.gz'), 'labels');
    const truth = await readVolume(fixture('b/labelsTs/bTs0.nii.gz'), 'labels');
    expect(found.shape).toEqual(truth.shape);
    const [organ, both] = [
      truth.data.filter(Boolean).length,
      truth.data.filter((label, i) => label > 0 && found.data[i] > 0).length,
    ];
    expect(both / organ).toBeGreaterThan(0.5);
  });

  it('become one whose words are trained by, and kept', async () => {
    // In the file of a smaller network, which is soon trained.
    const { metadata = {} } = importOnnx(join(output(), 'stitched.onnx')).graph.info;
    const to = new GraphBuilder('small', { metadata });
    const weights = float32([3, 1, 1, 1, 1], Float32Array.of(0, 1, -1));
    const image = to.input('image', { dtype: 'float32', shape: [symbol('N'), 1, 8, 16, 16] });
    to.output('logits', to.op('Conv', [image, to.constant(weights)]));
    const from = join(folder(), 'small.onnx');
    await writeModel(to.build(), from);
    const files = { data: sets.train, validation: sets.validation, steps: 1, batch: 1, executor: 'ort' } as const;
    const { file, scores } = await train(from, { ...files, output: join(folder(), 'tuned') });
    const needs = (path: string) => needsOf(importOnnx(path).graph, '');
    expect(needs(from).plans).toBeDefined();
    expect(needs(file)).toEqual(needs(from));
    const { rows } = await evaluate([from], sets.validation, { executor: 'ort' });
    expect(scores[0].value).toBeCloseTo(rows[0].score.value, 6);
    // What is said goes before it, for the network that comes out too.
    const labels = { folder: { plans: fixture('b/plans.json') } };
    const { plans } = needs((await train(from, { ...files, output: join(folder(), 'told'), labels })).file);
    expect(plans?.normalizations[0].foreground).toMatchObject({ low: -20, high: 310 });
  });

  it('see each what it would see by its own plans', async () => {
    // On volumes that are on the grid already, what the second network says within the joined one is what it says alone.
    const alone = join(folder(), 'alone');
    const within = join(folder(), 'within');
    const model = join(folder(), 'b.onnx');
    await exportNetwork(output(), model, { combination: { positions: [], weight: 1, output: 0 } });
    const data = sets.validation;
    await predict({ model, data, output: within, executor: 'ort' });
    await predict({ model: fixture('b.onnx'), plans: fixture('b/plans.json'), data, output: alone, executor: 'ort' });
    const [one, other] = await Promise.all(
      [alone, within].map(labels => readVolume(join(labels, 'aTs0.nii.gz'), 'labels')),
    );
    expect(new Set(one.data).size).toBeGreaterThan(1);
    expect(other.data).toEqual(one.data);
  });

  it('are refused where there are plans of a network that is not there', async () => {
    const labels = { folder: { ...request.labels.folder, partners: { c: fixture('b/plans.json') } } };
    await expect(run({ ...request, ...sets, labels, output: join(folder(), 'none') })).rejects.toThrow(
      /plans of a network c, and here they can be of b\./,
    );
  });
});
