/** `suture/web` in Chromium, against the same functions in Node with ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { numbersOf } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { imagesOf } from '../../../src/data/batches.ts';
import { parseDataset } from '../../../src/data/dataset.ts';
import { Runnable } from '../../../src/execution/execute.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import * as inNode from '../../../src/web/index.ts';
import { bundled, serve, watched } from '../../web/browser.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared } from '../cli/support.ts';

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
  const training = { steps: 2, batch: 2, init: 'ridge', initImages: 4, closingImages: 0 } as const;
  const joined = await suture.joinNetworks(execution, models, train, { training });
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
    pairs: joined.pairs.map(({ features }) => `${features.a} – ${features.b}`),
    losses,
    positions: sweep.positions.map(({ value }) => value),
    standings: verdict.standings.map(({ name, own }) => [name, own] as const),
    exported: Array.from(bytes, byte => String.fromCharCode(byte)).join(''),
  };
}

/** @param browser from the first test on. */
export function testLibrary(browser: () => Browser): void {
  let found: Numbers;
  let expected: Numbers;
  let faults: readonly string[];
  let files: Files;

  const data = shared();
  beforeAll(async () => {
    const images = readFileSync(await smallData(join(data(), 'data.npz')));
    const [own, partner] = (await smallParents(data(), [[3], [2, 3]])).map(file => readFileSync(file));
    files = { own, partner, train: images, validation: images };
    const { folder, remove } = await bundled('library');
    const { origin, close } = await serve(folder);
    const page = await browser().newPage();
    try {
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
      await page.close();
      close();
      await remove();
    }
    expected = await withExecutor({ executor: 'ort' }, executor => compute(inNode, executor, files));
  });

  it('nothing is complained of, and nothing is asked of anyone', () => {
    expect(faults).toEqual([]);
  });

  it('the match is the same', () => {
    expect(found.pairs).not.toEqual([]);
    expect(found.pairs).toEqual(expected.pairs);
  });

  it('the first losses are the same', () => {
    expect(found.losses).toHaveLength(2);
    for (const [step, loss] of found.losses.entries()) {
      expect(Math.abs(loss / expected.losses[step] - 1), `step ${step}`).toBeLessThan(1e-5);
    }
  });

  it('the scores are the same, of every position and of all that can be made', () => {
    expect(found.positions).toHaveLength(found.pairs.length);
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
}
