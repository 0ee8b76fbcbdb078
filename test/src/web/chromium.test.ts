/** `suture/web` in Chromium on the demo's networks, against the same functions in Node with ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { numbersOf } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { imagesOf } from '../../../src/data/batches.ts';
import { parseDataset } from '../../../src/data/dataset.ts';
import { formatNpz, parseNpz } from '../../../src/data/npz.ts';
import { Runnable } from '../../../src/execution/execute.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import * as inNode from '../../../src/web/index.ts';
import { withoutChromium } from '../../chromium.ts';
import { bundled, launchWithAdapter, serve, watched } from '../../web/browser.ts';

const demo = 'fixtures/demo';

/** The first images of a file, with all that is known of them. */
function firstOf(file: string, count: number): Uint8Array<ArrayBuffer> {
  const arrays = parseNpz(readFileSync(join(demo, file)));
  return formatNpz(
    new Map(
      Array.from(arrays, ([name, { dtype, shape, data }]) => {
        const size = data.length / shape[0];
        return [name, { dtype, shape: [count, ...shape.slice(1)], data: data.slice(0, count * size) }] as const;
      }),
    ),
  );
}

interface Files {
  readonly own: Uint8Array;
  readonly partner: Uint8Array;
  readonly train: Uint8Array;
  readonly validation: Uint8Array;
}

interface Numbers {
  readonly pairs: readonly string[];
  readonly losses: readonly number[];
  readonly positions: readonly number[];
  readonly standings: readonly (readonly [name: string, score: number])[];
  /** The bytes of the exported network, one character each. */
  readonly exported: string;
}

/** What is computed in both places: this text is run in the browser too, so that it refers to nothing outside. */
async function compute(suture: typeof inNode, executor: inNode.Executor, files: Files): Promise<Numbers> {
  const execution = { executor };
  const models = [await suture.readNetwork(files.own, 'a.onnx'), await suture.readNetwork(files.partner, 'b.onnx')];
  const train = suture.parseDataset(files.train, 'train.npz');
  const training = { steps: 3, batch: 2, init: 'ridge', initImages: 4, closingImages: 0 } as const;
  const { pairs } = await suture.joinNetworks(execution, models, train, { training });
  // A few of all positions: what is computed at one is computed at each.
  const joined = await suture.joinNetworks(execution, models, train, {
    training,
    pairs: pairs.filter((_, i) => i % 9 === 4),
  });
  const losses: number[] = [];
  const trained = await suture.trainStitches(execution, joined, {
    metricsEvery: 1,
    onMetrics: ({ loss }) => void losses.push(loss),
  });
  const { sweep, verdict, candidates } = await suture.compareNetworks(
    execution,
    trained,
    suture.parseDataset(files.validation, 'val.npz'),
  );
  const candidate = candidates.find(({ kind }) => kind === 'gated stitched')!;
  const bytes = suture.exportNetwork(trained, { candidate, verdict });
  return {
    pairs: pairs.map(({ features }) => `${features.a} – ${features.b}`),
    losses,
    positions: sweep.positions.map(({ value }) => value),
    standings: verdict.standings.map(({ name, own }) => [name, own] as const),
    exported: Array.from(bytes, byte => String.fromCharCode(byte)).join(''),
  };
}

describe.skipIf(withoutChromium !== '')(`in Chromium${withoutChromium}`, () => {
  let found: Numbers;
  let expected: Numbers;
  let faults: readonly string[];
  const files: Files = {
    own: readFileSync(join(demo, 'parent_a.onnx')),
    partner: readFileSync(join(demo, 'parent_b.onnx')),
    train: firstOf('site_a_train.npz', 4),
    validation: firstOf('site_a_val.npz', 2),
  };

  beforeAll(async () => {
    const { folder, remove } = await bundled('library');
    const { origin, close } = await serve(folder);
    const browser = await launchWithAdapter();
    try {
      const page = await browser.newPage();
      faults = watched(page, origin);
      await page.goto(`${origin}/empty.html`);
      const texts = Object.fromEntries(
        Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString('latin1')]),
      );
      found = (await page.evaluate(
        `(async texts => {
          const suture = await import('/suture-web.js');
          const files = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Uint8Array.from(text, c => c.charCodeAt(0))]));
          return (${compute})(suture, await suture.createBrowserExecutor(), files);
        })(${JSON.stringify(texts)})`,
      )) as Numbers;
    } finally {
      await browser.close();
      close();
      await remove();
    }
    expected = await withExecutor({ executor: 'ort' }, executor => compute(inNode, executor, files));
  });

  it('nothing is complained of, and nothing is asked of anyone', () => {
    expect(faults).toEqual([]);
  });

  it('the match is the same', () => {
    expect(found.pairs).toHaveLength(28);
    expect(found.pairs).toEqual(expected.pairs);
  });

  it('the first losses are the same', () => {
    expect(found.losses).toHaveLength(3);
    for (const [step, loss] of found.losses.entries()) {
      expect(Math.abs(loss / expected.losses[step] - 1), `step ${step}`).toBeLessThan(1e-5);
    }
  });

  it('the scores are the same, of every position and of all that can be made', () => {
    expect(found.positions).toHaveLength(3);
    for (const [i, score] of found.positions.entries()) expect(score).toBeCloseTo(expected.positions[i], 5);
    expect(found.standings.map(([name]) => name)).toEqual(expected.standings.map(([name]) => name));
    for (const [i, [name, score]] of found.standings.entries()) {
      expect(Math.abs(score - expected.standings[i][1]), name).toBeLessThan(1e-5);
    }
  });

  it('the exported network answers the same in ONNX Runtime', async () => {
    const images = imagesOf(parseDataset(files.validation, 'val.npz'), [0, 1]);
    const answers = await withExecutor({ executor: 'ort' }, async executor => {
      const outputs: (readonly number[])[] = [];
      for (const { exported } of [found, expected]) {
        const { graph } = importOnnx(Buffer.from(exported, 'latin1'));
        const runnable = new Runnable(executor, graph);
        outputs.push(
          Array.from(numbersOf((await runnable.run({ [graph.inputs[0].name]: images }))[graph.outputs[0].name])),
        );
        runnable.dispose();
      }
      return outputs;
    });
    const largest = Math.max(...answers[1].map(Math.abs));
    const difference = Math.max(...answers[0].map((value, i) => Math.abs(value - answers[1][i])));
    expect(difference / largest).toBeLessThan(1e-5);
    expect(importOnnx(Buffer.from(found.exported, 'latin1')).graph.info.metadata).toMatchObject({
      'suture.setting': expect.stringMatching(/^stitched at \d+, gated$/),
      'suture.output.kind': 'log-probabilities',
    });
  });
});
