import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportOnnx, float32, type Graph, GraphBuilder, symbol } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { narrow, widenRounded } from '../../../passes/index.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { onProcessor, withExecutor } from '../../../src/execution/open.ts';
import { writeOutput } from '../../../src/files/output.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { loadModel } from '../../../src/network/load.ts';
import { parentOf } from '../../../src/network/parent.ts';
import { halfText } from '../../../src/report/report.ts';
import { type HalfResult, writeHalf } from '../../../src/run/half.ts';
import { smallData } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

/** Foreground where a pixel is above 0.5, as the labels have it: the logits are `offset` − `scale`/2 and `offset` + `scale`·(x − 1). */
function threshold(scale: number, offset: number): Graph {
  const b = new GraphBuilder('threshold');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] });
  const weight = b.constant(float32([2, 1, 1, 1], [0, scale]), 'w');
  const bias = b.constant(float32([2], [offset - scale / 2, offset - scale]), 'b');
  b.output('logits', b.op('Conv', [x, weight, bias], {}, { name: 'conv' }));
  return b.build();
}

async function halfOf(graph: Graph): Promise<HalfResult & { readonly to: string; readonly data: string }> {
  const folder = await scratch();
  const [file, to] = [join(folder, 'wide.onnx'), join(folder, 'half.onnx')];
  await writeOutput(file, exportOnnx(graph));
  const data = await smallData(join(folder, 'data.npz'));
  const dataset = await loadDataset(data);
  const parent = await parentOf(onProcessor, await loadModel(file), dataset);
  const own = LabelledData.toChooseBy([parent], dataset);
  const found = await withExecutor({ executor: 'ort' }, executor =>
    writeHalf({ executor }, { parents: [parent] }, { graph, file, to, own, stress: [{ name: 'same', data: own }] }),
  );
  return { ...found, to, data };
}

it('writes a network that keeps its scores, in fewer bytes', async () => {
  const { file, to, own, shift, bytes, relativeError, data, beyond } = await halfOf(threshold(1, 0));
  expect(file).toBe(to);
  expect(own!.float16).toBeGreaterThan(0.98);
  expect(shift).toEqual(own);
  expect(bytes.float16).toBeGreaterThan(0);
  expect(relativeError).toBeLessThan(2e-3);
  expect(beyond).toEqual([]);
  const { rows } = await evaluate([to], data, { executor: 'ort' });
  expect(rows[0].score.value).toBeCloseTo(own!.float16, 9);
});

it('does not write one that loses, and says what', async () => {
  // Near 4096, the numbers of float16 lie four apart.
  const found = await halfOf(threshold(1, 4096));
  expect(existsSync(found.to)).toBe(false);
  expect(found.file).toBeUndefined();
  expect(found.own!.float32).toBe(1);
  expect(found.own!.float16).toBeLessThan(0.9);
  expect(found.problem).toMatch(/^at home it may lose 0\.\d{4}, and 0\.0050 is allowed; under shift it may lose/);
  expect(halfText(found)).toMatch(/^In float16 the network does not keep its scores, and is not written: at home/);
});

it('keeps in float32 what is beyond the range on the images, and names it', async () => {
  const found = await halfOf(threshold(1e5, 0));
  expect(found.beyond[0].feature).toBe('conv');
  expect(found.beyond[0].peak).toBeGreaterThan(65504);
  expect(found).toMatchObject({ file: found.to, nodes: 1, wide: 1 });
  expect(found.own!.float16).toBe(found.own!.float32);
  expect(halfText(found)).toMatch(
    /among them those at 1 feature that reaches a quarter of float16's range or more \(`conv`: \d+\)/,
  );
});

it('scores files of 16 bits as they are stored', async () => {
  const folder = await scratch();
  const data = await smallData(join(folder, 'data.npz'));
  const file = join(folder, 'half.onnx');
  const half = narrow(threshold(1, 4096), { keep: () => false, input: 'float32', output: 'float32' });
  await writeOutput(file, exportOnnx(half));
  expect((await loadModel(file)).graph.nodes).toHaveLength(importOnnx(file).graph.nodes.length);
  const { rows } = await evaluate([file], data, { executor: 'ort' });
  const wide = join(folder, 'wide.onnx');
  await writeOutput(wide, exportOnnx(widenRounded(half)));
  const { rows: byHand } = await evaluate([wide], data, { executor: 'ort' });
  expect(rows[0].score.value).toBeLessThan(0.9);
  expect(rows[0].score).toEqual(byHand[0].score);
});
