/**
 * A run's training step on WebGPU, within budgets of memory: what is allocated, and what a step takes, in turns in one process.
 *
 *     node dist/bench/memory.js RUN [--batch N] [--budgets 1,0.5] [--runs N] [--adapter auto|gpu|embedded]
 *
 * Prints for each budget the peak of the activations by the plan, what the executor allocates for them, the median time of a step
 * and of its processor time (which other work on the machine disturbs less), and both relative to the first budget.
 */
import { parseArgs } from 'node:util';
import { float32, staticShape, type Tensor } from '../ir/index.ts';
import { kaimingStitches } from '../passes/index.ts';
import { type AdapterChoice, adapterChoices } from '../runtime/adapter/index.ts';
import { createWebgpuExecutor, type Session } from '../runtime/index.ts';
import { Random } from '../src/data/random.ts';
import { mebibytes } from '../src/execution/budget.ts';
import { bindingFor, prepareStep } from '../src/execution/execute.ts';
import { openNetwork } from '../src/run/load.ts';
import { SettingSampler, settingFeeds } from '../src/training/setting-sampler.ts';
import { stepOf } from '../src/training/train.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '8' },
    budgets: { type: 'string', default: '1,0.5' },
    runs: { type: 'string', default: '5' },
    adapter: { type: 'string', default: 'auto' },
  },
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

const [run] = positionals;
if (run === undefined) throw new Error('Name a run directory.');
const adapter = adapterChoices.find(choice => choice === options.adapter) ?? ('auto' satisfies AdapterChoice);
const executor = await createWebgpuExecutor({ adapter });
const { network, directory } = await openNetwork(run);
const random = Random.seeded(1, 'bench');
const [input] = network.parents[0].inputs;
const image = staticShape(network.graph.input(input).type.shape.slice(1));
if (!image) throw new Error('The networks leave the size of an image open.');
const shape = [Number(options.batch), ...image];
const images: Tensor = float32(
  shape,
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
);
const step = stepOf(network, directory.config.training);
const binding = bindingFor(step.graph, { [input]: shape });
// Where a run draws settings, every step takes those of its first.
const { seed, averaged } = directory.config.training;
const drawn = SettingSampler.forTraining(network, { seed, averaged }).next(Number(options.batch));
const feeds = { [input]: images, ...settingFeeds(step.graph.inputs, drawn, binding) };
const resident = new Map([...step.state, ...kaimingStitches(network, () => random.float())]);

interface Case {
  readonly budget: number;
  readonly session: Session;
  readonly wall: number[];
  readonly processor: number[];
  loss: number;
}

const cases: Case[] = [];
for (const budget of options.budgets.split(',').map(Number)) {
  const session = await prepareStep(executor, step, binding, { resident, memory: budget });
  cases.push({ budget, session, wall: [], processor: [], loss: Number.NaN });
}
for (let i = 0; i <= Number(options.runs); i++) {
  for (const one of cases) {
    const before = process.cpuUsage();
    const start = performance.now();
    const found = await one.session.run(feeds, [step.loss]);
    one.loss = Number(found[step.loss].data[0]);
    // The first step compiles.
    if (i === 0) continue;
    const { user, system } = process.cpuUsage(before);
    one.wall.push(performance.now() - start);
    one.processor.push((user + system) / 1000);
  }
}
console.log(
  `${executor.describe()}; batch ${options.batch}, ${network.positions.length} positions, ${options.runs} steps each`,
);
const [first] = cases as [Case, ...Case[]];
for (const { budget, session, wall, processor, loss } of cases) {
  const { activations, peak } = session.memory;
  const times = [wall, processor].map((t, i) => [median(t), median([first.wall, first.processor][i])] as const);
  const [clock, spent] = times.map(([t, base]) => `${t.toFixed(0)} ms (${(t / base).toFixed(2)})`);
  console.log(
    `budget ${budget}: peak ${mebibytes(peak?.bytes ?? 0)}, allocated ${mebibytes(activations)}; step ${clock}, ` +
      `processor ${spent}; loss ${loss}`,
  );
}
executor.dispose();
