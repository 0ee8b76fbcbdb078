/** Real networks on real data: Dice as a plain PyTorch evaluation found it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { gatherImages, requireImageShape } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { diceMetric, foregroundDiceMetric } from '../../../src/metrics/dice.ts';
import type { Score } from '../../../src/metrics/metric.ts';
import { classesOf } from '../data/outputs.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data', 'nuclei');

// The data is not part of the project: without it there is nothing to compare with.
describe.skipIf(!existsSync(FOLDER))('nuclei', () => {
  it('parents and output ensemble score on site b what the reference says', async () => {
    const table = JSON.parse(readFileSync(join(FOLDER, 'dice.json'), 'utf8')) as {
      parents: Record<string, { dice: { b: { mean: number; pooled: number } } }>;
    };
    const sessions = await Promise.all(
      ['parent_a', 'parent_b'].map(name =>
        InferenceSession.create(join(FOLDER, `${name}.onnx`), { intraOpNumThreads: 1 }),
      ),
    );
    const data = await loadDataset(join(FOLDER, 'site_b_test.npz'));
    requireImageShape(data, [1, 96, 96], 'parent_a.onnx');
    const labels = classesOf(data, 2);
    const pixels = 96 * 96;
    const size = 10;
    const [a, b, ensemble] = [1, 2, 3].map(() => [foregroundDiceMetric(labels), diceMetric(labels, data.id)] as const);
    const add = (metrics: typeof a, output: Float32Array, first: number) => {
      for (const metric of metrics) metric.add({ data: output, shape: [size, 2, 96, 96] }, first);
    };
    for (let first = 0; first < data.count; first += size) {
      const indices = Array.from({ length: size }, (_, i) => first + i);
      const images = new Tensor('float32', gatherImages(data, indices), [size, 1, 96, 96]);
      const outputs: Float32Array[] = [];
      for (const session of sessions) outputs.push((await session.run({ x: images })).logits.data as Float32Array);
      add(a, outputs[0], first);
      add(b, outputs[1], first);
      // With two classes the mean probability of the foreground is that of two logistic functions.
      const mean = new Float32Array(size * 2 * pixels);
      for (let i = 0; i < size; i++) {
        for (let p = 0; p < pixels; p++) {
          const at = i * 2 * pixels + p;
          const foreground = outputs.map(logits => 1 / (1 + Math.exp(logits[at] - logits[at + pixels])));
          mean[at + pixels] = (foreground[0] + foreground[1]) / 2;
          mean[at] = 1 - mean[at + pixels];
        }
      }
      add(ensemble, mean, first);
    }
    const expected = [table.parents.parent_a.dice.b, table.parents.parent_b.dice.b, { mean: 0.7711, pooled: 0.7742 }];
    // By a NumPy script of their own: 2 TP / (2 TP + FP + FN) of each of 30 frames.
    const perCase = [0.6882, 0.8574, 0.7916];
    [a, b, ensemble].forEach((metrics, i) => {
      const [score, cases] = metrics.map(metric => metric.score()) as [Score, Score];
      expect(cases.value).toBeCloseTo(perCase[i], 4);
      expect(cases.classes[0].cases).toBe(30);
      expect(Math.abs(score.value - expected[i].mean)).toBeLessThan(2e-4);
      expect(Math.abs(score.pooled - expected[i].pooled)).toBeLessThan(2e-4);
    });
    // 15 of the 100 patches have no foreground: they count for the pooled score only.
    expect(a[0].score().classes[0].cases).toBe(85);
  });
});
