/**
 * How a step of training grows with the number of networks that are joined: time with ONNX Runtime on one thread, and the memory of its
 * activations as it is planned for WebGPU. The two networks are taken in turns (a, b, a, b, …), each matched with the first.
 *
 *     node dist/bench/parents.js A.onnx B.onnx IMAGES.npz [--counts 2,3,4,6] [--match-with backbone|all] [--batch N] [--steps N]
 */
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { doubleBatch, identityStitches, matchParents, matchWiths, stitch, trainingStep } from '../passes/index.ts';
import { createOrtExecutor } from '../runtime/index.ts';
import { imagesOf } from '../src/data/batches.ts';
import { loadDataset } from '../src/data/load.ts';
import { bindingFor, prepareStep } from '../src/execution/execute.ts';
import { loadModel } from '../src/network/load.ts';
import { tagOf } from '../src/network/tags.ts';
import { stepMemory } from '../src/training/memory.ts';
import { median, type Spent, timed, timingOf } from './timing.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    counts: { type: 'string', default: '2,3,4,6' },
    'match-with': { type: 'string', default: 'backbone' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '7' },
  },
});
const [a, b, file] = positionals;
if (a === undefined || b === undefined || file === undefined)
  throw new Error('Name two networks and a file of images.');
const whom = matchWiths.find(known => known === options['match-with']) ?? 'backbone';
const batch = Number(options.batch);

const graphs = [(await loadModel(a)).graph, (await loadModel(b)).graph];
const dataset = await loadDataset(file);
const images = imagesOf(
  dataset,
  Array.from({ length: batch }, (_, i) => i % dataset.count),
);

interface Grown {
  readonly count: number;
  readonly stitches: number;
  /** Medians, in milliseconds of processor time. */
  readonly matching: number;
  readonly step: number;
  /** Bytes at the peak. */
  readonly activations: number;
}

async function measure(count: number): Promise<Grown> {
  const parents = Array.from({ length: count }, (_, i) => ({ tag: tagOf(i), graph: graphs[i % 2] }));
  const matched = await timed(async () => matchParents(parents, { with: whom }));
  const network = stitch(parents, matched.value.pairs, { task: 'segmentation' });
  const step = trainingStep(doubleBatch(network), { steps: 1e9, learningRate: 1e-2 });
  const [input] = network.parents[0].inputs;
  const binding = bindingFor(step.graph, { [input]: images.shape });
  const executor = createOrtExecutor({ threads: 1 });
  const resident = new Map([...step.state, ...identityStitches(network, () => 0)]);
  const session = await prepareStep(executor, step, binding, { resident });
  const runs: Spent[] = [];
  for (let i = 0; i <= Number(options.steps); i++) runs.push(await timed(() => session.run({ [input]: images }, [])));
  executor.dispose();
  return {
    count,
    stitches: network.stitches.length,
    matching: matched.processor,
    step: median(timingOf(runs.slice(1)).processor),
    activations: stepMemory(step, binding).activations,
  };
}

const rows: Grown[] = [];
for (const count of options.counts.split(',').map(Number)) rows.push(await measure(count));
const table = new Table({
  head: ['networks', 'stitches', 'matching', 'a step', 'to the first', 'activations', 'to the first'],
  style: { head: [], border: [], compact: true },
});
const first = rows[0];
for (const { count, stitches, matching, step, activations } of rows) {
  table.push([
    count,
    stitches,
    `${matching.toFixed(0)} ms`,
    `${step.toFixed(0)} ms`,
    (step / first.step).toFixed(2),
    `${(activations / 2 ** 20).toFixed(1)} MiB`,
    (activations / first.activations).toFixed(2),
  ]);
}
console.log(table.toString());
