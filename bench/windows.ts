/**
 * Why `predict` scores otherwise than `evaluate`: a network's Dice over the cases of a folder, of tiles one beside the other and of windows that
 * overlap, on the grid that it sees and in the files' own.
 *
 * Run: `npx tsc && node dist/bench/windows.js MODEL.onnx FOLDER [plans.json]`
 */
import { readCase } from '../src/data/raw/case.ts';
import { openRaw } from '../src/data/raw/open.ts';
import { coveringTiles, imageOf } from '../src/data/raw/tiles.ts';
import { withExecutor } from '../src/execution/open.ts';
import { loadModel } from '../src/network/load.ts';
import { statedMeaning } from '../src/network/meaning.ts';
import { needsOf } from '../src/network/needs.ts';
import { networkOf } from '../src/network/network.ts';
import { decisionOf, Predictor } from '../src/prediction/predictor.ts';
import type { Field } from '../src/prediction/sliding.ts';
import { readPlans } from '../src/preprocessing/plans.ts';
import { type Decision, decided, preprocess, preprocessLabels, restore } from '../src/preprocessing/preprocess.ts';

const [file, folder, plansFile] = process.argv.slice(2);
if (!file || !folder) throw new Error('node dist/bench/windows.js MODEL.onnx FOLDER [plans.json]');
const { graph } = await loadModel(file);
const network = networkOf(graph, file, statedMeaning(graph, {}));
const plans = plansFile === undefined ? needsOf(graph, file).plans : await readPlans(plansFile, undefined, 3);
if (plans?.patchSize.length !== 3) throw new Error('plans for volumes are needed');
const { patchSize: tile } = plans;
const decision = decisionOf(network, undefined);

/** Labels on the grid that the network sees. */
function decidedThere({ data, shape: [channels] }: Field, how: Decision): ArrayLike<number> {
  const places = data.length / channels;
  return decided(places, how, c => data.subarray(c * places, (c + 1) * places));
}

/** TP, FP + FN of each label, case by case, by what was scored. */
const scored = new Map<string, Map<number, number[]>>();
function count(what: string, labels: ArrayLike<number>, reference: ArrayLike<number>): void {
  const counts = new Map<number, [both: number, one: number]>();
  for (let i = 0; i < reference.length; i++) {
    for (const label of new Set([labels[i], reference[i]])) {
      const [both, one] = counts.get(label) ?? [0, 0];
      counts.set(label, labels[i] === reference[i] ? [both + 1, one] : [both, one + 1]);
    }
  }
  const byLabel = scored.get(what) ?? new Map<number, number[]>();
  scored.set(what, byLabel);
  for (const [label, [both, one]] of counts) {
    if (label !== 0) byLabel.set(label, [...(byLabel.get(label) ?? []), (2 * both) / (2 * both + one)]);
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

await withExecutor({ executor: 'ort' }, async executor => {
  const predictor = new Predictor(executor, network, plans);
  const raw = await openRaw(folder);
  for (const one of raw.cases) {
    const { image, labels } = await readCase(raw, one);
    if (!labels) throw new Error(`${one.name} has no labels`);
    const { data, shape, placement } = preprocess(image, plans, one.name);
    const reference = preprocessLabels(labels, placement);
    const extents = shape.slice(1);
    const score = (what: string, field: Field): void => {
      count(`${what}, on the grid that it sees`, decidedThere(field, decision), reference);
      count(`${what}, in the files' grid`, restore(field.data, placement, decision), labels);
    };

    const places = extents.reduce((product, extent) => product * extent, 1);
    const size = tile.reduce((product, extent) => product * extent, 1);
    let joined: Float32Array<ArrayBuffer> | undefined;
    for (const { start, from } of coveringTiles({ extents, tile })) {
      const given = { data: imageOf(data, { extents, tile }, { start, from }), shape: [shape[0], ...tile] };
      const said = await predictor.predict(given, { step: 1, mirrorAxes: [] });
      joined ??= new Float32Array(said.shape[0] * places);
      for (let i = 0; i < size; i++) {
        const at = [Math.floor(i / tile[1] / tile[2]), Math.floor(i / tile[2]) % tile[1], i % tile[2]];
        const there = at.map((place, axis) => place + start[axis]);
        if (there.some((place, axis) => place < from[axis] || place >= extents[axis])) continue;
        const to = (there[0] * extents[1] + there[1]) * extents[2] + there[2];
        for (let k = 0; k < said.shape[0]; k++) joined[k * places + to] = said.data[k * size + i];
      }
    }
    if (joined) score('tiles', { data: joined, shape: [joined.length / places, ...extents] });
    for (const step of [1, 0.5]) {
      const looking = { step, mirrorAxes: [] };
      score(`windows, step ${step}`, await predictor.predict({ data, shape }, looking));
    }
  }
  predictor.dispose();
});

for (const [what, byLabel] of scored) console.log(what.padEnd(45), mean([...byLabel.values()].map(mean)).toFixed(4));
